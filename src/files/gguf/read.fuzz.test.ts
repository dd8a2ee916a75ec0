/** @file 2,000 damaged GGUF files: each reads soundly or is refused, and none makes the reader allocate much beyond it. */
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { damageFile, fuzz } from "../../../test/support/fuzz.ts";
import { mutateGguf } from "../../../test/support/mutate-gguf.ts";
import { createRng } from "../../base/rng.ts";
import { type GgufField, ggufLimits, openGguf, readGgufTensor, requireReadable } from "./read.ts";
import { type GgufTensorType, ggufTypes } from "./types.ts";
import { writeGguf } from "./write.ts";

const metadata = new Map<string, GgufField>([
  ["general.architecture", { type: "string", value: "llama" }],
  ["general.alignment", { type: "u32", value: 32 }],
  ["llama.block_count", { type: "u32", value: 2 }],
  ["llama.rope.freq_base", { type: "f32", value: 10_000 }],
  ["tokenizer.ggml.tokens", { type: "array", of: "string", value: ["<s>", "</s>", "a", "b", "Ġc"] }],
  ["tokenizer.ggml.token_type", { type: "array", of: "i32", value: [3, 3, 1, 1, 1] }],
  ["tokenizer.ggml.add_bos_token", { type: "bool", value: true }],
  ["large", { type: "u64", value: 2n ** 60n }],
]);

test("2,000 mutated files are read soundly or refused", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "fuzz-")), "model.gguf");
  const rng = createRng("fuzz gguf weights");
  const types: GgufTensorType[] = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1"];
  const tensors = types.map((type, i) => ({
    name: `blk.${i}.weight`,
    type,
    shape: [2, 32],
    data: () => rng.split(type).fillNormal(new Float32Array(64), 1),
  }));
  await writeGguf(path, metadata, tensors);
  const original = new Uint8Array(readFileSync(path));
  const { offset } = (await openGguf(path)).tensors.get("blk.0.weight")!;
  const { outcomes, reasons } = await fuzz({
    seed: "gguf",
    damage: damageFile(path, original, mutateGguf(offset)),
    read: async () => {
      const file = await openGguf(path);
      expect(file.metadata.size).toBeLessThanOrEqual(ggufLimits.fields);
      for (const { name, type, shape, offset, bytes } of file.tensors.values()) {
        const count = shape.reduce((a, b) => a * b, 1);
        expect(offset + bytes).toBeLessThanOrEqual(file.fileBytes);
        expect(bytes).toBe((count / ggufTypes[type].blockValues) * ggufTypes[type].blockBytes);
        expect(await readGgufTensor(file, name)).toHaveLength(count);
      }
      for (const { offset } of file.unreadable.values()) expect(offset).toBeLessThan(file.fileBytes);
      requireReadable(file);
    },
  });
  expect(outcomes["read"]).toBeGreaterThan(100);
  expect(Object.keys(outcomes).sort()).toEqual(["E_DTYPE", "E_FORMAT", "E_LIMIT", "read"]);
  expect(reasons).toBeGreaterThan(20);
});
