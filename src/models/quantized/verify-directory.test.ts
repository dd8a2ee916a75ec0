/** @file A quantised directory's claim to be made from a model is checked against that model. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { randomLlama } from "../../../test/support/random-llama.ts";
import { sha256 } from "../../base/hash.ts";
import { openModel, saveModel } from "../model-file.ts";
import { parameterShapes } from "../parameters.ts";
import { quantizeDirectory } from "./directory-file.ts";
import { quantizations } from "./layout.ts";
import { verifyQuantizedDirectory } from "./verify-directory.ts";

const folder = mkdtempSync(join(tmpdir(), "verify-"));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

async function writeModel(name: string, seed: number): Promise<string> {
  const { config, weights } = randomLlama({ seed });
  const names = [...parameterShapes(config).keys()];
  await saveModel(at(name), config, new Map(names.map((n) => [n, (weights[n] as { data: Float32Array }).data])));
  return at(name);
}

/** Changes the last bytes of the weights, or the configuration, and makes the recorded hash of the weights right again. */
function change(name: string, { flip = false, base = undefined as string | undefined, epsilon = false }): string {
  cpSync(at("int8"), at(name), { recursive: true });
  const [weights, config] = [join(at(name), "model.safetensors"), join(at(name), "config.json")];
  const bytes = readFileSync(weights);
  if (flip) bytes[bytes.length - 1]! ^= 1;
  writeFileSync(weights, bytes);
  const json = JSON.parse(readFileSync(config, "utf8"));
  json.quantization_config.weights_sha256 = sha256(bytes);
  if (base !== undefined) json.quantization_config.base_sha256 = base;
  if (epsilon) json.rms_norm_eps = 0.5;
  writeFileSync(config, JSON.stringify(json));
  return at(name);
}

test("a directory is right about the model it was made from, whatever the bits and blocks", async () => {
  const dense = await writeModel("dense", 6);
  for (const [name, quantization] of Object.entries(quantizations)) {
    await quantizeDirectory(dense, at(name), quantization);
    const { sha256: found } = await verifyQuantizedDirectory(at(name), dense);
    expect(found).toBe((await openModel(dense)).sha256);
  }
});

test("codes that were changed, with the hash made right again, keep their name until they are compared with the base", async () => {
  const dense = at("dense");
  const other = await writeModel("other", 7);
  const changed = change("changed", { flip: true });
  expect((await openModel(changed)).sha256).toBe((await openModel(dense)).sha256);
  const refused = (text: string) => ({ code: "E_MISMATCH", message: expect.stringContaining(text) as unknown });
  await expect(verifyQuantizedDirectory(changed, dense)).rejects.toMatchObject(refused("is not what quantising"));
  const claims = change("claims", { base: (await openModel(other)).sha256 });
  expect((await openModel(claims)).sha256).toBe((await openModel(other)).sha256);
  await expect(verifyQuantizedDirectory(claims, other)).rejects.toMatchObject(refused("is not what quantising"));
  await expect(verifyQuantizedDirectory(claims, dense)).rejects.toMatchObject(refused("names a base of sha256"));
  const shaped = change("shaped", { epsilon: true });
  await expect(verifyQuantizedDirectory(shaped, dense)).rejects.toMatchObject(refused("describes another model"));
  await expect(verifyQuantizedDirectory(dense, dense)).rejects.toMatchObject({ code: "E_CONFIG" });
});
