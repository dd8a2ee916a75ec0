/** @file A generator's files: only numbers of the types that weights have are read as weights; in 8 bits they say nearly the same. */
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { fullLogits } from "../../test/support/random-llama.ts";
import { writeTinyPair } from "../../test/support/tiny-pair.ts";
import { openSafetensors, readTensor } from "../files/safetensors.ts";
import { type TensorToWrite, writeSafetensors } from "../files/safetensors-write.ts";
import { generatorBuffers, generatorParameters, isGainOrBias } from "../generator/parameters.ts";
import { encodeInput } from "../text/prompt.ts";
import { loadEdgePair } from "./edge-pair.ts";
import { readGenerator, readLooseGenerator, writeGenerator, writeLooseGenerator } from "./generator-file.ts";
import { merge } from "./merge.ts";
import { loadPair } from "./pair-file.ts";
import { createSpecializer } from "./specialize.ts";

const folder = mkdtempSync(join(tmpdir(), "generator-"));
afterAll(() => rmSync(folder, { recursive: true }));

test.each(["router.norm.mean", "router.f1.weight"])("%s of whole numbers is refused, naming it", async (changed) => {
  const shape = await writeTinyPair(folder);
  const directory = join(folder, "generator");
  const path = join(directory, "model.safetensors");
  const file = await openSafetensors(path);
  expect(file.tensors.has(changed)).toBe(true);
  const tensors: TensorToWrite[] = [];
  for (const { name, shape: dims } of file.tensors.values()) {
    const values = await readTensor(file, name);
    const whole = new Uint8Array(Int32Array.from(values, Math.round).buffer);
    tensors.push(
      name === changed
        ? { name, dtype: "I32", shape: dims, data: whole }
        : { name, dtype: "F32", shape: dims, data: values },
    );
  }
  await writeSafetensors(path, tensors);
  await expect(readGenerator(directory, shape)).rejects.toMatchObject({
    code: "E_DTYPE",
    message: expect.stringContaining(`"${changed}" should be one of F32, F16, BF16, found I32`) as unknown,
  });
});

/** A copy of a pair whose generator is in 8 bits. */
async function withInt8Generator(from: string): Promise<string> {
  const directory = mkdtempSync(join(folder, "int8-"));
  cpSync(from, directory, { recursive: true });
  const sound = join(from, "generator");
  await writeLooseGenerator(join(directory, "generator"), await readLooseGenerator(sound), "I8");
  return directory;
}

test("in 8 bits every weight is off by half its row's scale at most; gains, biases and statistics are as they were", async () => {
  const directory = mkdtempSync(join(folder, "pair-"));
  const shape = await writeTinyPair(directory);
  const { tensors, sha256 } = await readGenerator(join(directory, "generator"), shape);
  const out = join(directory, "int8");
  const trainedOver = { cloud: "c".repeat(64), edge: "e".repeat(64) };
  await writeGenerator(out, shape, tensors, tensors, { dtype: "I8", trainedOver });
  const read = await readGenerator(out, shape);
  expect(read.trainedOver).toEqual(trainedOver);
  expect(read.sha256).not.toBe(sha256); // other weights, another generator: specialisations of one are not those of the other
  for (const [name, { shape: dims }] of [...generatorParameters(shape), ...generatorBuffers(shape)]) {
    const [before, after] = [tensors.get(name)!, read.tensors.get(name)!];
    if (isGainOrBias(name) || generatorBuffers(shape).has(name)) {
      expect(after, name).toEqual(before);
      continue;
    }
    const width = dims.at(-1)!;
    for (let row = 0; row < before.length; row += width) {
      const largest = Math.max(...before.subarray(row, row + width).map(Math.abs));
      for (let i = row; i < row + width; i++)
        expect(Math.abs(after[i]! - before[i]!), name).toBeLessThanOrEqual((largest / 127) * 0.5001);
    }
  }
  const again = join(directory, "again");
  await writeLooseGenerator(again, await readLooseGenerator(out), "I8");
  expect(readFileSync(join(again, "model.safetensors"))).toEqual(readFileSync(join(out, "model.safetensors")));
});

test("in 8 bits a generator takes less than 8.6 bits a weight, scales counted; gates, logits and the edge side alone stay near", async () => {
  const plain = mkdtempSync(join(folder, "plain-"));
  const model = { hidden: 256, ffn: 640, layers: 3, headDim: 64 };
  await writeTinyPair(plain, { cloud: model, edge: model, generator: { experts: 8, rank: 16, cloudRank: 16 } });
  const directory = await withInt8Generator(plain);
  const [before, after] = [await loadPair(plain), await loadPair(directory)];
  const count = [...before.generator.tensors.values()].reduce((sum, { length }) => sum + length, 0);
  const { size } = statSync(join(directory, "generator/model.safetensors"));
  expect((size * 8) / count).toBeLessThan(8.6); // rows of the cloud LoRA B are 16 wide
  const prompts = ["Answer in capital letters.", "Name the intent of a bank customer's message.", "Is it a question?"];
  const inputs = ["my card has not arrived", "what is the weather like"];
  let [largestGate, largestLogit] = [0, 0];
  await using exact = await createSpecializer(before, { threads: 1 });
  await using rounded = await createSpecializer(after, { threads: 1 });
  for (const prompt of prompts) {
    const [wanted, found] = [await exact.specialize(prompt), await rounded.specialize(prompt)];
    largestGate = Math.max(largestGate, gap(wanted.gates.flat(), found.gates.flat()));
    const [one, other] = [await merge(before, wanted), await merge(after, found)];
    for (const input of inputs) {
      const ids = encodeInput(before.tokenizer, before.layout, input);
      const [a, b] = [(await fullLogits(one, ids)).at(-1)!, (await fullLogits(other, ids)).at(-1)!];
      largestLogit = Math.max(largestLogit, gap([...a], [...b]) / Math.max(...a.map(Math.abs)));
    }
  }
  expect(largestGate).toBeLessThan(0.02);
  expect(largestLogit).toBeLessThan(0.03);
  const edgeSide = await loadEdgePair(async (path) => readFileSync(join(directory, path)));
  expect(edgeSide.generator.sha256).toBe(after.generator.sha256);
  expect([...edgeSide.generator.tensors]).toEqual([...after.generator.tensors]);
});

test.each([
  [
    "without the scales of its rows",
    (tensors: TensorToWrite[]) => tensors.filter(({ name }) => !name.endsWith("f1.weight.scales")),
    "E_SHAPE",
  ],
  [
    "with scales of another shape",
    (tensors: TensorToWrite[]) =>
      tensors.map((tensor) =>
        tensor.name.endsWith("f1.weight.scales") ? { ...tensor, shape: [1], data: new Float32Array(1) } : tensor,
      ),
    "E_SHAPE",
  ],
  [
    "with scales of whole numbers",
    (tensors: TensorToWrite[]) =>
      tensors.map((tensor) =>
        tensor.name.endsWith("f1.weight.scales")
          ? { ...tensor, dtype: "I32" as const, data: new Int32Array((tensor.data as Float32Array).length) }
          : tensor,
      ),
    "E_DTYPE",
  ],
])("codes %s are refused, naming them", async (_, change, code) => {
  const directory = mkdtempSync(join(folder, "pair-"));
  const shape = await writeTinyPair(directory);
  const out = await withInt8Generator(directory);
  const path = join(out, "generator/model.safetensors");
  const file = await openSafetensors(path);
  const tensors: TensorToWrite[] = [];
  for (const { name, dtype, shape: dims } of file.tensors.values()) {
    const values = await readTensor(file, name);
    tensors.push({ name, dtype, shape: dims, data: dtype === "I8" ? Int8Array.from(values) : values });
  }
  await writeSafetensors(path, change(tensors));
  const refused = { code, message: expect.stringContaining("router.f1.weight.scales") as unknown };
  await expect(readGenerator(join(out, "generator"), shape)).rejects.toMatchObject(refused);
});

const gap = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
