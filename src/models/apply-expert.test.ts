import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { distance } from "../../test/support/numeric.ts";
import { fullLogits } from "../../test/support/random-llama.ts";
import { storedLlama } from "../../test/support/stored-llama.ts";
import { createRng } from "../base/rng.ts";
import { weight as weightNode } from "../graph/build.ts";
import { denseParts, frozenWeights, wrapLinear } from "../nn/parts.ts";
import { bySingularValues } from "../nn/svf.ts";
import { readWeight } from "../runtime/read-weight.ts";
import type { WeightSource } from "../runtime/session.ts";
import type { Expert } from "../svf/expert.ts";
import { applyAdapter } from "./apply-adapter.ts";
import { applyExpert, expertBasis, loraOfExpert } from "./apply-expert.ts";
import { mapGroups, svfMaps } from "./decomposable.ts";
import type { Model } from "./model.ts";

const root = mkdtempSync(join(tmpdir(), "apply-expert-"));
let model: Model;
beforeAll(async () => {
  model = await storedLlama(join(root, "model"), { seed: 5 });
});
afterAll(() => rmSync(root, { recursive: true }));

const rng = createRng("factors");
const expertOf = (factor: () => number, changes: Partial<Expert> = {}): Expert => ({
  modelSha256: model.sha256,
  renormalize: false,
  madeBy: {},
  scales: new Map(
    svfMaps(model.config, "both").map(({ weight, inputs, outputs }) => [
      weight,
      Float32Array.from({ length: Math.min(inputs, outputs) }, factor),
    ]),
  ),
  ...changes,
});
const ids = [3, 14, 15, 9, 2, 6];
const logitsOf = async ({ config, weights }: Pick<Model, "config" | "weights">) =>
  (await fullLogits({ config, weights: { ...weights } }, ids)).flatMap((row) => [...row]);

test("groups are the maps of attention, of the feed-forward block, and both", () => {
  const counts = mapGroups.map((group) => svfMaps(model.config, group).length);
  expect(counts).toEqual([3 * 2, 4 * 2, 7 * 2]);
});

test("factors of 1 give the base model, bit for bit", async () => {
  const { weights } = await applyExpert(
    model,
    expertOf(() => 1),
  );
  for (const [name, source] of Object.entries(model.weights)) expect(weights[name], name).toBe(source);
});

test("merged into plain weights, a skill gives what its factors beside U, Σ and V give", async () => {
  const expert = expertOf(() => 0.5 + rng.next());
  const basis = await expertBasis(model, expert);
  const sources: Record<string, WeightSource> = { ...model.weights };
  const parts = wrapLinear(denseParts(frozenWeights()), (name, plain) => {
    const file = basis.get(`${name}.weight`);
    if (file === undefined) return plain; // the head
    for (const part of ["u", "s", "v"] as const) sources[`${name}.${part}`] = file.sources[part];
    sources[`${name}.z`] = { kind: "data", data: expert.scales.get(file.weight)! };
    const node = (part: string, ...shape: number[]) => weightNode(`${name}.${part}`, shape);
    const { rank, inputs, outputs } = file;
    return bySingularValues(
      { u: node("u", rank, outputs), s: node("s", rank), v: node("v", rank, inputs) },
      node("z", rank),
    );
  });
  const unmerged = (await fullLogits({ config: model.config, weights: sources }, ids, parts)).flatMap((row) => [
    ...row,
  ]);
  const merged = await logitsOf(await applyExpert(model, expert));
  expect(distance(merged, unmerged)).toBeLessThan(1e-5);
  expect(distance(merged, await logitsOf(model))).toBeGreaterThan(0.01);
});

test("as a LoRA of full rank a skill is the same model; of fewer ranks it is as far away as is said", async () => {
  const expert = expertOf(() => 0.5 + rng.next());
  const whole = await loraOfExpert(model, expert);
  expect(whole.error).toBe(0);
  const merged = await applyExpert(model, expert);
  expect(distance(await logitsOf(await applyAdapter(model, whole.adapter)), await logitsOf(merged))).toBeLessThan(1e-6);
  const cut = await loraOfExpert(model, expert, { rank: 8 });
  const low = await applyAdapter(model, cut.adapter);
  let [missed, all] = [0, 0];
  for (const weight of expert.scales.keys()) {
    const at = (from: Pick<Model, "weights">) => readWeight(from.weights[weight]!);
    const [base, full, few] = [await at(model), await at(merged), await at(low)];
    full.forEach((value, i) => {
      missed += (value - few[i]!) ** 2;
      all += (value - base[i]!) ** 2;
    });
  }
  expect(cut.error).toBeGreaterThan(0.1);
  expect(Math.sqrt(missed / all)).toBeCloseTo(cut.error, 4);
});

test("a skill of another model is refused with both hashes; so are maps and factors that the model lacks", async () => {
  const other = expertOf(() => 2, { modelSha256: "0".repeat(64) });
  await expect(applyExpert(model, other)).rejects.toMatchObject({
    code: "E_MISMATCH",
    message: expect.stringMatching(new RegExp(`0{64}.*${model.sha256}`)) as unknown,
  });
  const scaled = (weight: string, count: number) =>
    applyExpert(
      model,
      expertOf(() => 2, { scales: new Map([[weight, new Float32Array(count).fill(2)]]) }),
    );
  await expect(scaled("model.layers.9.mlp.up_proj.weight", 3)).rejects.toMatchObject({ code: "E_MISMATCH" });
  await expect(scaled("model.layers.0.mlp.up_proj.weight", 999)).rejects.toMatchObject({ code: "E_MISMATCH" });
});

test("a model whose weights are codes is not decomposed", async () => {
  const coded = { ...model, quantization: { bits: 8 } } as unknown as Model;
  await expect(
    applyExpert(
      coded,
      expertOf(() => 2),
    ),
  ).rejects.toMatchObject({ code: "E_CONFIG" });
});
