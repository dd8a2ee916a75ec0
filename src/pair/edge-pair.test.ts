/** @file A pair's edge side read without the cloud model. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeTinyPair } from "../../test/support/tiny-pair.ts";
import { AppError } from "../base/errors.ts";
import { readWeight } from "../runtime/read-weight.ts";
import { createAnswerer } from "./answer.ts";
import { loadEdgePair, type ReadFile } from "./edge-pair.ts";
import { loadPair } from "./pair-file.ts";
import { specialize } from "./specialize.ts";

const folder = mkdtempSync(join(tmpdir(), "edge-pair-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeAll(() => writeTinyPair(folder));

const read: ReadFile = async (path) => readFileSync(join(folder, path));

test("it is what loading the whole pair gives, and no weights of the cloud model are asked for", async () => {
  const asked: string[] = [];
  const edgePair = await loadEdgePair(async (path) => {
    asked.push(path);
    return read(path);
  });
  const pair = await loadPair(folder);
  expect(asked).not.toContain("cloud/model.safetensors");
  expect(edgePair.edge.sha256).toBe(pair.edge.sha256);
  expect(edgePair.shape).toEqual(pair.shape);
  expect(edgePair.generator).toEqual(pair.generator);
  for (const [name, source] of Object.entries(pair.edge.weights))
    expect(await readWeight(edgePair.edge.weights[name]!)).toEqual(await readWeight(source));
});

test("a specialisation made with the cloud model answers the same without it", async () => {
  const pair = await loadPair(folder);
  const specialization = await specialize(pair, "Answer in one word.");
  const answers = [];
  for (const each of [pair, await loadEdgePair(read)]) {
    await using answerer = await createAnswerer(each, { specialization, threads: 1 });
    answers.push((await answerer.answer("how are you", { maxTokens: 12 })).ids);
  }
  expect(answers[0]).toEqual(answers[1]);
});

test("a specialisation for another generator is refused", async () => {
  const specialization = await specialize(await loadPair(folder), "Answer in one word.");
  const other = { ...specialization, generatorSha256: "0".repeat(64) };
  await expect(createAnswerer(await loadEdgePair(read), { specialization: other })).rejects.toMatchObject({
    code: "E_MISMATCH",
  });
});

test.each([
  "pair.json",
  "cloud/config.json",
  "edge/config.json",
  "edge/model.safetensors",
  "generator/generator.json",
  "generator/model.safetensors",
  "tokenizer/tokenizer.json",
])("%s cut in half is refused by its name, and so is what reading it throws", async (name) => {
  const cut: ReadFile = async (path) => {
    const bytes = await read(path);
    return path === name ? bytes.subarray(0, bytes.length >> 1) : bytes;
  };
  await expect(loadEdgePair(cut)).rejects.toMatchObject({ code: "E_FORMAT", message: expect.stringContaining(name) });
  const missing: ReadFile = (path) =>
    path === name ? Promise.reject(new AppError("E_NOT_FOUND", `${path}: not found`)) : read(path);
  await expect(loadEdgePair(missing)).rejects.toMatchObject({ code: "E_NOT_FOUND" });
});
