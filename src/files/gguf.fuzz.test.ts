/** @file 2,000 damaged GGUF files: each reads soundly or is refused, and none makes the reader allocate much beyond it. */
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { damageFile, fuzz } from "../../test/support/fuzz.ts";
import { mutate } from "../../test/support/mutate.ts";
import { createRng, type Rng } from "../base/rng.ts";
import { type GgufField, ggufLimits, openGguf, readGgufTensor } from "./gguf.ts";
import { type GgufTensorType, ggufTypes } from "./gguf-types.ts";
import { writeGguf } from "./gguf-write.ts";

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

/** Noise anywhere, or in the words of the header: counts, lengths, types, axes and offsets lie there. */
function damage(bytes: Uint8Array, rng: Rng): Uint8Array {
  if (rng.int(3) === 0) return mutate(bytes, rng);
  const out = Buffer.from(bytes);
  for (let i = 0; i <= rng.int(2); i++) {
    const at = 4 * rng.int(rng.int(4) === 0 ? 6 : Math.floor(headerWords));
    const near = BigInt(Math.max(0, out.readUInt32LE(at) + rng.int(9) - 4));
    if (rng.int(2) === 0) out.writeUInt32LE(Number(rng.pick([near, 0n, 1n, 9n, 32n, 2n ** 31n]) & 0xffffffffn), at);
    else out.writeBigUInt64LE(rng.pick([near, 2n ** 20n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]), at);
  }
  return out;
}
let headerWords = 0;

test("2,000 mutated files are read soundly or refused", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "fuzz-")), "model.gguf");
  const rng = createRng("fuzz gguf weights");
  const types: GgufTensorType[] = ["F32", "F16", "BF16", "Q8_0"];
  const tensors = types.map((type, i) => ({
    name: `blk.${i}.weight`,
    type,
    shape: [2, 32],
    data: () => rng.split(type).fillNormal(new Float32Array(64), 1),
  }));
  await writeGguf(path, metadata, tensors);
  const original = new Uint8Array(readFileSync(path));
  headerWords = (await openGguf(path)).tensors.get("blk.0.weight")!.offset / 4;
  const { outcomes, reasons } = await fuzz({
    seed: "gguf",
    damage: damageFile(path, original, damage),
    read: async () => {
      const file = await openGguf(path);
      expect(file.metadata.size).toBeLessThanOrEqual(ggufLimits.fields);
      for (const { name, type, shape, offset, bytes } of file.tensors.values()) {
        const count = shape.reduce((a, b) => a * b, 1);
        expect(offset + bytes).toBeLessThanOrEqual(file.fileBytes);
        expect(bytes).toBe((count / ggufTypes[type].blockValues) * ggufTypes[type].blockBytes);
        expect(await readGgufTensor(file, name)).toHaveLength(count);
      }
    },
  });
  expect(outcomes["read"]).toBeGreaterThan(100);
  expect(Object.keys(outcomes).sort()).toEqual(["E_DTYPE", "E_FORMAT", "E_LIMIT", "read"]);
  expect(reasons).toBeGreaterThan(20);
});
