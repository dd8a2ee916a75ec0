/**
 * @file Whether a generator reads its prompts, before it answers well: the loss of validation answers under their own prompt, under another
 * of the same group (mostly over the same inputs), and under one from far away, by family:
 *   npx tsx runs/smollm2/reading.ts [GENERATOR = pairs/smollm2/generator] [CONFIG = runs/smollm2/config/generator.json] [FAMILIES]
 * FAMILIES is a regular expression; without it all are asked. Where the configuration weighs answers, the second number is the loss of the
 * choice among a list's labels, in nats; as likely as each other they would have what stands under "even".
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readJsonFile } from "../../src/base/json-file.ts";
import { createRng } from "../../src/base/rng.ts";
import { type Episode, readEpisodes, writeEpisodes } from "../../src/data/episode.ts";
import { compile } from "../../src/runtime/node.ts";
import { floats } from "../../src/runtime/tensor.ts";
import { isPlain } from "../../src/train/answer-weights.ts";
import { GeneratorRun, generator } from "../../src/train/recipes/generator.ts";
import { buildEvaluation, stepNames } from "../../src/train/step.ts";
import { groupSize } from "./episodes.ts";

const [start = "pairs/smollm2/generator", configPath = "runs/smollm2/config/generator.json", wanted = ""] =
  process.argv.slice(2);
const config = await readJsonFile(configPath, GeneratorRun);
const episodes = await readEpisodes(config.episodes!.validation);
const { batch } = config;

/** The episode whose prompt stands in for the one at `i`. */
const prompts: Readonly<Record<string, (i: number) => Episode>> = {
  own: (i) => episodes[i]!,
  sibling: (i) => {
    const others = Array.from(
      { length: groupSize - 1 },
      (_, k) => episodes[i - (i % groupSize) + ((i + k + 1) % groupSize)]!,
    );
    return others.find(({ prompt }) => prompt !== episodes[i]!.prompt) ?? others[0]!;
  },
  far: (i) => episodes[(i + episodes.length / 2) % episodes.length]!,
};

/** Batches of one family each, the last of them filled up from its beginning; under each kind of prompt. */
const families = new Map<string, number[]>();
for (const [i, { family }] of episodes.entries())
  if (new RegExp(wanted).test(family)) families.set(family, [...(families.get(family) ?? []), i]);
const batches = [...families].flatMap(([family, members]) =>
  Array.from({ length: Math.ceil(members.length / batch) }, (_, b) => ({
    family,
    members: Array.from({ length: batch }, (_, k) => members[(b * batch + k) % members.length]!),
  })),
);
const kinds = Object.keys(prompts);
const folder = await mkdtemp(join(tmpdir(), "reading-"));
const path = join(folder, "episodes.jsonl");
await writeEpisodes(
  path,
  batches.flatMap(({ members }) =>
    kinds.flatMap((kind) => members.map((i) => ({ ...episodes[i]!, prompt: prompts[kind]!(i).prompt }))),
  ),
);
const run = { ...config, start, episodes: { train: path, validation: path } };
const job = await generator.open(run, run);
await rm(folder, { recursive: true });
const state = await job.start();
await using session = await compile(buildEvaluation(job.evaluation!), { weights: job.weights, spin: false });
console.log(["family", "prompts", ...kinds, "even"].join("\t"));
const metrics = ["answerLoss", ...(isPlain(config) ? [] : ["choiceLoss"])].map(stepNames.metric);
const none = () => kinds.map(() => metrics.map(() => 0));
let losses = none();
for (const [b, { family }] of batches.entries()) {
  for (const k of kinds.keys()) {
    const feeds = await job.validation({ rng: createRng("reading"), step: 0, index: b * kinds.length + k, state });
    const outputs = await session.run({ ...state, ...feeds });
    for (const [m, metric] of metrics.entries()) losses[k]![m]! += floats(outputs[metric]!)[0]!;
  }
  if (batches[b + 1]?.family === family) continue;
  const members = families.get(family)!;
  const count = Math.ceil(members.length / batch);
  const means = losses.map((ofKind) => ofKind.map((loss) => (loss / count).toFixed(2)).join(" "));
  const sizes = members.flatMap((i) => episodes[i]!.labels?.length ?? []);
  const even = sizes.reduce((sum, size) => sum + Math.log(size), 0) / sizes.length;
  console.log([family, members.length, ...means, sizes.length === 0 ? "" : even.toFixed(2)].join("\t"));
  losses = none();
}
