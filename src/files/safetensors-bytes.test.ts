/** @file Safetensors in memory: the same values and refusals as from a file. */
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { float32ToFloat16 } from "../base/half.ts";
import { createRng } from "../base/rng.ts";
import { openSafetensors, readTensor } from "./safetensors.ts";
import { parseSafetensors } from "./safetensors-bytes.ts";
import { writeSafetensors } from "./safetensors-write.ts";

async function written(): Promise<{ path: string; bytes: Uint8Array }> {
  const path = join(mkdtempSync(join(tmpdir(), "safetensors-")), "model.safetensors");
  const values = createRng(1).fillNormal(new Float32Array(6), 1);
  await writeSafetensors(path, [
    { name: "half", dtype: "F16", shape: [3, 2], data: float32ToFloat16(values) },
    { name: "full", dtype: "F32", shape: [6], data: values },
    { name: "byte", dtype: "U8", shape: [3], data: new Uint8Array([1, 2, 255]) },
  ]);
  return { path, bytes: readFileSync(path) };
}

test("every tensor has the values that reading the file gives, wherever the bytes begin in their buffer", async () => {
  const { path, bytes } = await written();
  const shifted = new Uint8Array(bytes.length + 3).subarray(3);
  shifted.set(bytes);
  const file = await openSafetensors(path);
  for (const memory of [bytes, shifted]) {
    const { floats, tensors } = parseSafetensors(memory, path);
    expect(tensors).toEqual(file.tensors);
    for (const name of tensors.keys()) expect(floats(name)).toEqual(await readTensor(file, name));
  }
});

test("a file cut anywhere is refused", async () => {
  const { bytes } = await written();
  for (let length = 0; length < bytes.length; length++)
    expect(() => parseSafetensors(bytes.subarray(0, length), "cut")).toThrow(
      expect.objectContaining({ code: "E_FORMAT", message: expect.stringMatching(/^cut: /) }),
    );
});
