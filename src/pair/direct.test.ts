import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTinyPair, writeTinyPair } from "../../test/support/tiny-pair.ts";
import { watchSessions } from "../../test/support/watch-sessions.ts";
import { float16ToFloat32, float32ToFloat16 } from "../base/half.ts";
import { createRng } from "../base/rng.ts";
import { createCachedModel } from "../decode/cached-model.ts";
import { cloudFeeds, cloudInputs, cloudParts, metaHidden } from "../generator/cloud.ts";
import { withDirectLora } from "../generator/experts.ts";
import { generatorParameters, routerWidth } from "../generator/parameters.ts";
import { constant, flattenRows, input } from "../graph/build.ts";
import { embed, forward, logits } from "../models/decoder.ts";
import { frozenParts, frozenSources } from "../models/frozen-model.ts";
import { frozenWeights } from "../nn/parts.ts";
import { compile } from "../runtime/node.ts";
import type { WeightSource } from "../runtime/session.ts";
import { floats, intTensor } from "../runtime/tensor.ts";
import { encodeMeta } from "../text/prompt.ts";
import { fitPrompt } from "../text/truncate-prompt.ts";
import { merge } from "./merge.ts";
import { loadPair, type Pair } from "./pair-file.ts";
import type { Specialization } from "./specialization.ts";
import { readSpecialization, writeSpecialization } from "./specialization-file.ts";
import { createSpecializer, specialize } from "./specialize.ts";

const folder = mkdtempSync(join(tmpdir(), "direct-"));
afterAll(() => rmSync(folder, { recursive: true }));

let pair: Pair;
beforeAll(async () => {
  await writeTinyPair(folder, { generator: { generation: "direct" } });
  const fresh = await loadPair(folder);
  // A fresh generator makes B = 0; this one's changes matter.
  const rng = createRng("direct");
  const tensors = new Map(
    [...fresh.generator.tensors].map(([name, values]) => [
      name,
      /^direct\..*\.B\./.test(name) ? rng.split(name).fillNormal(new Float32Array(values.length), 0.5) : values,
    ]),
  );
  pair = { ...fresh, generator: { ...fresh.generator, tensors } };
});

const prompt = "Answer in capital letters.";
const ids = [5, 9, 17, 30, 8];

/** The edge model's logits with the LoRA of the prompt generated inside the graph, as in training. */
async function unmerged(): Promise<Float32Array> {
  const { shape, cloudTokenizer: tokenizer, cloudLayout: layout } = pair;
  const infos = generatorParameters(shape);
  const frozen = frozenWeights();
  const parameters = (name: string) => frozen(`generator.${name}`, infos.get(name)!.shape);
  const { layers } = shape.edge;
  const cloud = cloudParts(shape, frozenParts(pair.cloud, "cloud."), parameters);
  const hidden = metaHidden(shape, cloud, parameters, cloudInputs(layers));
  const edge = frozenParts(pair.edge, "edge.");
  const parts = withDirectLora({ shape, frozen: edge, parameters, hidden, promptOf: constant([0], [1], "i64") });
  const tokens = input("tokens", [1, "time"], "i64");
  const rows = logits(shape.edge, parts, flattenRows(forward(shape.edge, parts, embed(shape.edge, parts, tokens))));
  const weights: Record<string, WeightSource> = {
    ...frozenSources(pair.cloud, "cloud."),
    ...frozenSources(pair.edge, "edge."),
  };
  for (const [name, data] of pair.generator.tensors) weights[`generator.${name}`] = { kind: "data", data };
  await using session = await compile({ outputs: { rows } }, { weights, threads: 1 });
  const fitted = fitPrompt(tokenizer, layout, prompt, { maxTokens: 100, truncate: false });
  const feeds = cloudFeeds([[...fitted.ids, ...encodeMeta(tokenizer, layout, layers)]], layers, tokenizer.padId);
  return floats((await session.run({ ...feeds, tokens: intTensor([1, ids.length], ids) }))["rows"]);
}

async function logitsOf(weights: Readonly<Record<string, WeightSource>>): Promise<Float32Array> {
  await using cached = await createCachedModel({ config: pair.edge.config, weights }, { threads: 1 });
  return (await cached.feedAll(ids)).slice();
}

const largestGap = (a: Float32Array, b: Float32Array) =>
  a.reduce((gap, value, i) => Math.max(gap, Math.abs(value - b[i]!)), 0);

test("a direct generator's specialisation is a hidden state per layer; merged it gives the logits of training", async () => {
  const specialization = await specialize(pair, prompt, { threads: 1 });
  expect(specialization.gates.map((row) => row.length)).toEqual(Array(2).fill(routerWidth(pair.shape)));
  const expected = await unmerged();
  const merged = await logitsOf((await merge(pair, specialization)).weights);
  const base = await logitsOf(pair.edge.weights);
  expect(largestGap(expected, base)).toBeGreaterThan(0.1);
  expect(largestGap(merged, expected)).toBeLessThan(1e-4);
});

/** What a file holds of a specialisation: numbers in fp16. */
const asStored = ({ ms: _, ...specialization }: Specialization): Specialization => ({
  ...specialization,
  gates: specialization.gates.map((row) => Array.from(float16ToFloat32(float32ToFloat16(Float32Array.from(row))))),
});

test("its file is read back, its hidden states in fp16", async () => {
  const specialization = await specialize(pair, prompt, { threads: 1 });
  const out = join(folder, "specialization");
  await writeSpecialization(out, specialization);
  const read = await readSpecialization(out, pair);
  expect(read).toEqual(asStored(specialization));
});

test("hidden states wider than 1,024 numbers are specialised, written and read back", async () => {
  const wide = await openTinyPair({ generator: { generation: "direct", routerHidden: 1100 } });
  const specialization = await specialize(wide, prompt, { threads: 1 });
  const out = join(folder, "wide");
  await writeSpecialization(out, specialization);
  expect(specialization.experts).toBe(1100);
  expect(await readSpecialization(out, wide)).toEqual(asStored(specialization));
});

test("hidden states beyond the file's limit are refused before anything is compiled", async () => {
  using sessions = watchSessions();
  const generator = { ...pair.shape.generator, routerHidden: 4097 };
  const wide = { ...pair, shape: { ...pair.shape, generator } };
  await expect(createSpecializer(wide, { threads: 1 })).rejects.toMatchObject({ code: "E_LIMIT" });
  expect(sessions.made()).toBe(0);
});
