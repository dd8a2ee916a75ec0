/** @file What a service says of a prompt that makes its gates doubtful. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTinyPair } from "../../test/support/tiny-pair.ts";
import { openTinyService, type TinyService } from "../../test/support/tiny-service.ts";
import type { Pair } from "../pair/pair-file.ts";
import { remoteLimits } from "./remote.ts";
import { remoteCloud } from "./remote-cloud.ts";
import { openStore } from "./store/store.ts";

let far: TinyService;
let near: TinyService;
let pair: Pair;
beforeAll(async () => {
  const plain = await openTinyPair();
  const { hidden } = plain.shape.cloud;
  const axis = new Float32Array(hidden).fill(1 / Math.sqrt(hidden));
  const nowhere = new Float32Array(hidden).fill(1000); // no prompt lies there
  pair = {
    ...plain,
    known: {
      ...{ layer: 1, mean: nowhere, components: [axis], variances: [1], otherVariance: 1, threshold: 1 },
      ...{ prompts: 400, validationPrompts: 250, beyond: 0.02 },
      ...{ generatorSha256: plain.generator.sha256, cloudSha256: plain.cloud.sha256 },
    },
  };
  far = await openTinyService(pair);
  const { cloud: _, known: __, ...edge } = pair;
  const fetch: typeof globalThis.fetch = async (input, init) => far.fetch(new Request(input as string, init));
  near = await openTinyService(edge, { cloud: remoteCloud(edge, { url: "http://far/", fetch }) });
});
afterAll(async () => {
  await near.close();
  await far.close();
});

const unlike = expect.stringContaining("unlike those that the generator was trained on");

test("a prompt unlike those of the training is told of, also where it was read before or by another host", async () => {
  for (const service of [far, near])
    for (const computed of [true, false]) {
      const made = await service.ask("/v1/specializations", { name: `made-${computed}`, prompt: "Say yes or no." });
      expect(await made.json()).toMatchObject({ computed, warnings: [unlike] });
    }
});

test("so is one in another language, by its own text, not by that of its examples", async () => {
  const prompt = "Ordne die Nachricht einer der Kategorien zu und antworte nur mit dem Namen der Kategorie.";
  const german = await far.ask("/v1/specializations", { name: "german", prompt });
  expect(await german.json()).toMatchObject({ warnings: [expect.stringContaining("English"), unlike] });
  const examples = [{ input: prompt, output: "Post" }];
  const english = await far.ask("/v1/specializations", { name: "english", prompt: "Name the desk.", examples });
  expect(await english.json()).toMatchObject({ warnings: [unlike] });
});

test("what another host read is read there anew where its known prompts have changed since; while it is away, what was made answers", async () => {
  let time = 0;
  let host: TinyService | undefined = far;
  const { cloud: _, known, ...edge } = pair;
  await using wide = await openTinyService({ ...pair, known: { ...known!, threshold: 1e6 } });
  const fetch: typeof globalThis.fetch = async (input, init) => {
    if (host === undefined) throw new TypeError("fetch failed");
    return host.fetch(new Request(input as string, init));
  };
  const cloud = remoteCloud(edge, { url: "http://far/", fetch, now: () => time });
  await using asking = await openTinyService(edge, { cloud });
  const made = async () => (await asking.ask("/v1/specializations", { name: "made", prompt: "Say yes or no." })).json();
  expect(await made()).toMatchObject({ version: 1, computed: true, warnings: [unlike] });
  expect(await made()).toMatchObject({ version: 1, computed: false, warnings: [unlike] });
  host = wide;
  time += remoteLimits.readerMs;
  expect(await made()).toMatchObject({ version: 2, computed: true, warnings: [] });
  host = undefined;
  time += remoteLimits.readerMs;
  expect(await made()).toMatchObject({ version: 2, computed: false, warnings: [] });
});

test("what was made with other known prompts, or with none, does not answer for these", async () => {
  const { known, ...plain } = pair;
  const store = await openStore(mkdtempSync(join(tmpdir(), "warnings-")));
  const ask = async (opened: Pair) => {
    const service = await openTinyService(opened, {}, store);
    const made = await service.ask("/v1/specializations", { name: "made", prompt: "Say yes or no." });
    await service.close();
    return await made.json();
  };
  const wide = { ...pair, known: { ...known!, threshold: 1e6 } };
  for (const [opened, warnings] of [
    [plain, []],
    [pair, [unlike]],
    [wide, []],
  ] as const)
    expect(await ask(opened)).toMatchObject({ computed: true, warnings });
  for (const [opened, warnings] of [
    [plain, []],
    [pair, [unlike]],
  ] as const)
    expect(await ask(opened)).toMatchObject({ computed: false, warnings });
});
