/**
 * @file How well a pair notices prompts unlike those of its training, by its gates or by the cloud model's states:
 *   npx tsx runs/smollm2/unlike.ts PAIR [SEEN = work/smollm2/unlike.jsonl] [DATA = ../shared/data]
 *     [EPISODES = work/smollm2/data] [BENCHMARK = work/smollm2/benchmark] [MOST]
 * reads training prompts, validation prompts, and texts that are no prompts of these kinds. What it saw of each is kept in SEEN, where it
 * goes on after an interruption; MOST is how many it reads now, all unless told otherwise. It prints for each detector the area under the ROC curve between validation prompts and such texts, and
 * the shares beyond the distance that 2 % of the validation prompts exceed.
 */
import { appendFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { compile } from "#runtime";
import { decodeBase64, encodeBase64 } from "../../src/base/base64.ts";
import { readJsonFile } from "../../src/base/json-file.ts";
import { createRng } from "../../src/base/rng.ts";
import { readEpisodes } from "../../src/data/episode.ts";
import { readTaskFile } from "../../src/data/task-file.ts";
import { generations } from "../../src/generator/generations.ts";
import { promptState, readMetaState } from "../../src/generator/meta-state.ts";
import { mean } from "../../src/graph/build.ts";
import { cloudGraph, cloudWeights, promptFeeds } from "../../src/pair/cloud-pass.ts";
import { stateDistance } from "../../src/pair/known-prompts.ts";
import { loadPair, type Pair } from "../../src/pair/pair-file.ts";
import { floats } from "../../src/runtime/tensor.ts";
import { fitKnownPrompts, knownPromptsDefaults } from "../../src/train/known-prompts.ts";
import { readRows } from "../sources/rows.ts";
import { readNiTasks } from "../sources/super-ni.ts";

const longestPrompt = 2000;
const longestText = 600;
const longestDefinition = 900;
const trainingPrompts = 500;

type Item = {
  readonly set: "training" | "validation" | "benchmark" | "unlike" | "near";
  readonly kind: string;
  readonly text: string;
};

const rng = createRng("unlike");
const draw = <T>(label: string, all: readonly T[], count: number): T[] =>
  rng
    .split(label)
    .shuffle([...all])
    .slice(0, count);

/** Texts that are no prompts of the kinds trained; and near ones: definitions of Super-NI's official test tasks. */
async function texts(data: string): Promise<Item[]> {
  const Row = z.looseObject({
    text: z.string().optional(),
    code: z.string().optional(),
    question: z.string().optional(),
  });
  const rows = async (name: string) =>
    (await readRows(join(data, `${name}.jsonl.gz`), Row)).map(
      ({ text, code, question }) => code ?? text ?? question ?? "",
    );
  const Persona = z.object({ instruction: z.string(), input: z.string() });
  const personas = (await readRows(join(data, "gpteacher_roleplay/train.jsonl.gz"), Persona)).map(
    ({ instruction, input }) => (input === "" ? instruction : `${instruction}\n${input}`),
  );
  const stories = (await rows("pretrain_books/test")).flatMap((text) => text.split("\n\n"));
  const definitions = (await readNiTasks(data))
    .filter(({ official_split: split, definition }) => split === "test" && definition.length < longestDefinition)
    .map(({ definition }) => definition);
  const of = (kind: string, all: readonly string[], count: number): Item[] =>
    draw(kind.charAt(0), all, count).map((text) => ({
      set: "unlike",
      kind,
      text: text.trim().slice(0, longestText).trim(),
    }));
  const written = await readJsonFile(
    join(import.meta.dirname, "unlike-texts.json"),
    z.record(z.string(), z.array(z.string())),
  );
  return [
    ...of("personas", personas, 30),
    ...of("wiki articles", await rows("wikitext2/valid"), 25),
    ...of(
      "stories",
      stories.filter((text) => text.length > 200),
      25,
    ),
    ...of("textbooks", await rows("pretrain_misc/test"), 15),
    ...of("code", await rows("mbpp/test"), 20),
    ...of("grade school maths", await rows("gsm8k/test"), 15),
    ...Object.entries(written).flatMap(([kind, all]) => of(kind, all, all.length)),
    ...draw("n", definitions, 40).map((text): Item => ({ set: "near", kind: "Super-NI's test tasks", text })),
  ];
}

async function prompts(episodes: string, benchmark: string): Promise<Item[]> {
  const read = async (name: string, set: Item["set"], count = Number.POSITIVE_INFINITY): Promise<Item[]> =>
    draw(
      name.replace(".jsonl", ""),
      (await readEpisodes(join(episodes, name))).filter(({ prompt }) => prompt.length <= longestPrompt),
      count,
    ).map(({ family: kind, prompt: text }) => ({ set, kind, text }));
  const tasks = await readTaskFile(join(benchmark, "validation.jsonl"));
  return [
    ...(await read("train.jsonl", "training", trainingPrompts)),
    ...(await read("validation.jsonl", "validation")),
    ...tasks.map(({ systemPrompt: text }): Item => ({ set: "benchmark", kind: "task", text: text! })),
  ];
}

/** Of one prompt: its gates, and its state at layers of the cloud model. */
type Seen = ReadonlyMap<string, Float32Array>;

async function openReader(pair: Pair): Promise<AsyncDisposable & { see(text: string): Promise<Seen> }> {
  const { shape } = pair;
  const { inputs, parts, parameters, outputs } = cloudGraph(pair);
  const hidden = readMetaState(shape, parts, outputs, inputs.metaRows);
  const gates = generations[shape.generator.generation].numbers(shape, parameters, hidden);
  const layers = [1 / 3, 1 / 2, 2 / 3, 1].map((share) => Math.round(share * shape.cloud.layers));
  const states = layers.map((layer) => [`layer ${layer}`, promptState(outputs, inputs.metaRows, layer)] as const);
  const wanted = { gates, "router's input": mean(hidden, [1]), ...Object.fromEntries(states) };
  const session = await compile({ outputs: wanted }, { weights: cloudWeights(pair), threads: 1 });
  return {
    async see(text) {
      const found = await session.run(promptFeeds(pair, text, true).feeds);
      return new Map(Object.entries(found).map(([name, tensor]) => [name, floats(tensor).slice()]));
    },
    [Symbol.asyncDispose]: () => session.close(),
  };
}

const Line = z.strictObject({ text: z.string(), seen: z.record(z.string(), z.string()) });

async function readSeen(path: string): Promise<Map<string, Seen>> {
  const lines = (await readFile(path, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
  return new Map(
    lines.map((line) => {
      const { text, seen } = Line.parse(JSON.parse(line));
      const values = (packed: string) => new Float32Array(decodeBase64(packed)!.slice().buffer);
      return [text, new Map(Object.entries(seen).map(([name, packed]) => [name, values(packed)]))];
    }),
  );
}

const writeSeen = (path: string, text: string, seen: Seen): Promise<void> =>
  appendFile(
    path,
    `${JSON.stringify({ text, seen: Object.fromEntries([...seen].map(([name, values]) => [name, encodeBase64(new Uint8Array(values.slice().buffer))])) })}\n`,
  );

type Detector = (training: readonly Float32Array[]) => (state: Float32Array) => number;

/** Mahalanobis distance, as the product has it. */
const spread: Detector = (training) => {
  const known = fitKnownPrompts(training, training, { layer: 1, generatorSha256: "", cloudSha256: "" });
  return (state) => stateDistance(known, state);
};

const nearest: Detector = (training) => (state) =>
  Math.min(...training.map((other) => Math.hypot(...other.map((value, i) => value - state[i]!))));

/** The share of pairs whose unlike text is the farther one. */
const auroc = (like: readonly number[], unlike: readonly number[]): number =>
  unlike.reduce((sum, far) => sum + like.reduce((own, near) => own + (far > near ? 1 : far === near ? 0.5 : 0), 0), 0) /
  (like.length * unlike.length);

function report(name: string, detector: Detector, items: readonly (Item & { readonly state: Float32Array })[]): void {
  const of = (set: Item["set"]) => items.filter((item) => item.set === set);
  const distance = detector(of("training").map(({ state }) => state));
  const far = (some: readonly { readonly state: Float32Array }[]) => some.map(({ state }) => distance(state));
  const sorted = far(of("validation")).sort((a, b) => a - b);
  const threshold = sorted[Math.ceil(sorted.length * (1 - knownPromptsDefaults.beyond)) - 1]!;
  const like = far([...of("validation"), ...of("benchmark")]);
  const told = (some: readonly { readonly state: Float32Array }[]): string => {
    const found = far(some);
    const beyond = found.filter((value) => value > threshold).length;
    return `AUROC ${auroc(like, found).toFixed(3)}, ${((100 * beyond) / found.length).toFixed(0)} % flagged of ${found.length}`;
  };
  const counts = (["training", "validation", "benchmark"] as const).map((set) => `${of(set).length} ${set}`);
  const flagged = far(of("benchmark")).filter((value) => value > threshold).length;
  console.log(`${name} (${counts.join(", ")}): ${told(of("unlike"))}; ${flagged} of the benchmark's flagged`);
  for (const kind of new Set(items.filter(({ set }) => set === "unlike" || set === "near").map((item) => item.kind)))
    console.log(`  ${kind}: ${told(items.filter((item) => item.kind === kind))}`);
}

const [
  directory,
  path = "work/smollm2/unlike.jsonl",
  data = "../shared/data",
  episodes = "work/smollm2/data",
  benchmark = "work/smollm2/benchmark",
  most,
] = process.argv.slice(2);
if (directory === undefined) throw new Error("expected a pair");
const all = [...(await prompts(episodes, benchmark)), ...(await texts(data))];
const seen = await readSeen(path);
const missing = rng
  .shuffle(all.filter(({ text }) => !seen.has(text)))
  .slice(0, most === undefined ? all.length : Number(most));
if (missing.length > 0) {
  await using reader = await openReader(await loadPair(directory, { readKnown: false }));
  for (const { text } of missing) {
    const found = await reader.see(text);
    await writeSeen(path, text, found);
    seen.set(text, found);
  }
}
const names = new Set([...seen.values()].flatMap((found) => [...found.keys()]));
for (const name of names) {
  const items = all.flatMap((item) => {
    const state = seen.get(item.text)?.get(name);
    return state === undefined ? [] : [{ ...item, state }];
  });
  if (name === "gates") report("gates, nearest training prompt", nearest, items);
  report(`${name}, spread of the training prompts`, spread, items);
}
