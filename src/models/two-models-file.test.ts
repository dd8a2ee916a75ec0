/** @file Cloud and edge that are one file are one model in memory; what differs stays apart. */
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { randomLlama } from "../../test/support/random-llama.ts";
import { saveGgufModel } from "./gguf/save.ts";
import { saveModel } from "./model-file.ts";
import { parameterShapes } from "./parameters.ts";
import { quantizations } from "./quantized/layout.ts";
import { openTwo } from "./two-models-file.ts";

const folder = mkdtempSync(join(tmpdir(), "two-models-"));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));
beforeAll(async () => {
  const model = randomLlama();
  await saveGgufModel(at("model.gguf"), model, { type: "Q8_0" });
  await saveGgufModel(at("other.gguf"), randomLlama({ seed: 2 }), { type: "Q8_0" });
  cpSync(at("model.gguf"), at("copy.gguf"));
  symlinkSync("model.gguf", at("link.gguf"));
  const values = (name: string) => (model.weights[name] as { data: Float32Array }).data;
  await saveModel(
    at("a"),
    model.config,
    new Map([...parameterShapes(model.config).keys()].map((name) => [name, values(name)])),
  );
  cpSync(at("a"), at("b"), { recursive: true });
});

test.each([
  ["one path", "model.gguf", "model.gguf"],
  ["a link to it", "model.gguf", "link.gguf"],
  ["a copy of it", "model.gguf", "copy.gguf"],
  ["one folder", "a", "a"],
  ["two folders of the same weights", "a", "b"],
])("%s: one record of weights", async (_, first, second) => {
  const [one, other] = await openTwo({ path: at(first) }, { path: at(second) });
  expect(other.weights).toBe(one.weights);
  expect([one.directory, other.directory]).toEqual([at(first), at(second)]);
  expect(other.sha256).toBe(one.sha256);
});

test("other weights, and the same held in another way, stay apart", async () => {
  const path = at("model.gguf");
  const pairs = [
    [{ path }, { path: at("other.gguf") }],
    [{ path }, { path, keepBlocks: true }],
    [{ path }, { path, quantize: quantizations.int8 }],
  ] as const;
  for (const [first, second] of pairs) {
    const [one, other] = await openTwo(first, second);
    expect(other.weights).not.toBe(one.weights);
  }
});
