/** @file A generator's files: only numbers of the types that weights have are read as weights. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { writeTinyPair } from "../../test/support/tiny-pair.ts";
import { openSafetensors, readTensor } from "../files/safetensors.ts";
import { type TensorToWrite, writeSafetensors } from "../files/safetensors-write.ts";
import { readGenerator } from "./generator-file.ts";

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
