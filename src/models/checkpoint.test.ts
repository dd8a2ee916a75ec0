import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { referenceModels } from "../../test/support/reference-model.ts";
import { openSafetensors, readTensor } from "../files/safetensors.ts";
import { writeSafetensors } from "../files/safetensors-write.ts";
import { readWeight } from "../runtime/read-weight.ts";
import { openModel } from "./model-file.ts";
import { quantizeDirectory } from "./quantized/directory-file.ts";
import { quantizations } from "./quantized/layout.ts";

const folder = mkdtempSync(join(tmpdir(), "wrapped-"));
afterAll(() => rmSync(folder, { recursive: true }));

test.each([
  ["language_model.model.", "model."],
  ["model.language_model.", "model."],
])("a text model whose tensors are called %s… is opened as if it stood alone", async (prefix, plain) => {
  const source = join(referenceModels, "gemma3_text");
  const file = await openSafetensors(join(source, "model.safetensors"));
  const entries = await Promise.all(
    [...file.tensors].map(async ([name, { shape }]) => {
      const data = await readTensor(file, name);
      return { name: name.replace(plain, prefix), dtype: "F32" as const, shape, data };
    }),
  );
  await writeSafetensors(join(folder, "model.safetensors"), entries, { format: "pt" });
  const text = JSON.parse(readFileSync(join(source, "config.json"), "utf8")) as object;
  writeFileSync(join(folder, "config.json"), JSON.stringify({ model_type: "gemma3", text_config: text }));
  const [alone, wrapped] = [await openModel(source), await openModel(folder)];
  expect(wrapped.config).toEqual(alone.config);
  for (const [name, weight] of Object.entries(alone.weights))
    expect(await readWeight(wrapped.weights[name]!), name).toEqual(await readWeight(weight));
  const quantize = quantizations.int8;
  const [codes, wrappedCodes] = [await openModel(source, { quantize }), await openModel(folder, { quantize })];
  expect(Object.keys(wrappedCodes.weights)).toEqual(Object.keys(codes.weights));
  const out = join(folder, `int8 ${prefix}`);
  await quantizeDirectory(folder, out, quantize);
  expect((await openModel(out)).config).toEqual(alone.config);
});
