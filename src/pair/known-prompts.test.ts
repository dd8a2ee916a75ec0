/** @file Which prompts a generator knows: the distance, the file, and what is refused. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeTinyPair } from "../../test/support/tiny-pair.ts";
import { createRng } from "../base/rng.ts";
import { readLooseGenerator, writeLooseGenerator } from "./generator-file.ts";
import { encodeKnownPrompts, isUnlike, type KnownPrompts, parseKnownPrompts, stateDistance } from "./known-prompts.ts";
import { readKnownPrompts, writeKnownPrompts } from "./known-prompts-file.ts";
import { loadPair, type Pair } from "./pair-file.ts";
import { openPromptStates } from "./prompt-states.ts";
import { specialize } from "./specialize.ts";

/** Spread along the first axis only, seen half-way up. */
function knownAround(mean: Float32Array, changes: Partial<KnownPrompts> = {}): KnownPrompts {
  const first = new Float32Array(mean.length);
  first[0] = 1;
  return {
    layer: 1,
    mean,
    components: [first],
    variances: [4],
    otherVariance: 0.25,
    threshold: 1.5,
    prompts: 400,
    validationPrompts: 250,
    beyond: 0.02,
    generatorSha256: "a".repeat(64),
    cloudSha256: "c".repeat(64),
    ...changes,
  };
}

describe("the distance", () => {
  const known = knownAround(Float32Array.of(10, 0, 0, 0));

  test("counts standard deviations of each direction, and is 1 where each is one away", () => {
    expect(stateDistance(known, Float32Array.of(10, 0, 0, 0))).toBe(0);
    expect(stateDistance(known, Float32Array.of(12, 0.5, 0.5, -0.5))).toBeCloseTo(1, 6);
    const [along, across] = [Float32Array.of(12, 0, 0, 0), Float32Array.of(10, 2, 0, 0)];
    expect(stateDistance(known, across)).toBeCloseTo(4 * stateDistance(known, along), 6);
  });

  test("beyond the threshold a prompt is unlike; so is what is no number", () => {
    expect(isUnlike(known, Float32Array.of(15, 0, 0, 0))).toBe(false);
    expect(isUnlike(known, Float32Array.of(17, 0, 0, 0))).toBe(true);
    expect(isUnlike(known, Float32Array.of(Number.NaN, 0, 0, 0))).toBe(true);
  });
});

describe("the file", () => {
  const mean = createRng("mean").fillNormal(new Float32Array(24), 300);
  const sound = encodeKnownPrompts(knownAround(mean));

  test("is read as it was written, components in fp16", () => {
    const component = createRng("component").fillNormal(new Float32Array(24), 0.2);
    const known = knownAround(mean, { components: [component], variances: [0.1] });
    const read = parseKnownPrompts(encodeKnownPrompts(known), "file");
    expect({ ...read, components: known.components }).toEqual(known);
    read.components[0]!.forEach((value, i) => {
      expect(Math.abs(value - component[i]!)).toBeLessThan(Math.abs(component[i]!) * 2 ** -10 + 1e-7);
    });
    expect(encodeKnownPrompts(read)).toBe(encodeKnownPrompts(known));
  });

  const changed = (change: Record<string, unknown>) => JSON.stringify({ ...JSON.parse(sound), ...change });
  test.each([
    ["no JSON", sound.slice(0, -20), "E_FORMAT", /not valid JSON/],
    ["another format", changed({ format: "lora-gen known prompts 2" }), "E_FORMAT", /format/],
    ["a key that is none", changed({ more: 1 }), "E_FORMAT", /more/],
    ["a key twice", sound.replace('"layer"', '"layer": 2, "layer"'), "E_FORMAT", /duplicate key "layer"/],
    ["layer 0", changed({ layer: 0 }), "E_FORMAT", /layer/],
    ["a mean that is cut off", changed({ width: 25 }), "E_FORMAT", /mean: expected 100 bytes in base64, found 96/],
    ["a mean that is no base64", changed({ mean: "?" }), "E_FORMAT", /mean: .* found no base64/],
    ["more variances than components", changed({ variances: [1, 1] }), "E_FORMAT", /components: expected 96 bytes/],
    ["no variance", changed({ otherVariance: 0 }), "E_FORMAT", /otherVariance/],
    ["no components", changed({ variances: [], components: "" }), "E_FORMAT", /variances/],
    ["a threshold below 0", changed({ threshold: -1 }), "E_FORMAT", /threshold/],
    ["infinite numbers", changed({ mean: Buffer.alloc(96, 0xff).toString("base64") }), "E_FORMAT", /finite/],
    ["a width without end", changed({ width: 1e9 }), "E_FORMAT", /width/],
    ["more than 1 MiB", changed({ mean: "A".repeat(2 ** 20) }), "E_LIMIT", /1048576 bytes/],
  ])("of %s is refused", (_, text, code, message) => {
    const parsing = () => parseKnownPrompts(text, "file");
    expect(parsing).toThrow(expect.objectContaining({ code }));
    expect(parsing).toThrow(message);
  });
});

describe("a pair", () => {
  const prompt = "Answer with the third word.";
  const directory = mkdtempSync(join(tmpdir(), "known-prompts-"));
  const generator = join(directory, "generator");
  let plain: Pair;
  beforeAll(async () => {
    await writeTinyPair(directory);
    plain = await loadPair(directory);
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const around = (mean: Float32Array, changes: Partial<KnownPrompts> = {}) =>
    knownAround(mean, { generatorSha256: plain.generator.sha256, cloudSha256: plain.cloud.sha256, ...changes });

  test("without such a file calls no prompt unlike", async () => {
    expect(plain.known).toBeUndefined();
    expect(await specialize(plain, prompt, { threads: 1 })).not.toHaveProperty("unlike");
  });

  test("with one says of a prompt what its state says; gates stay", async () => {
    await using states = await openPromptStates(plain, 2, { threads: 1 });
    const state = await states.stateOf(prompt);
    expect(await states.stateOf("Once upon a time there was a king.")).not.toEqual(state);
    const { gates } = await specialize(plain, prompt, { threads: 1 });
    const far = state.map((value) => value + 1);
    for (const [mean, unlike] of [
      [state, undefined],
      [far, true],
    ] as const) {
      await writeKnownPrompts(generator, around(mean, { layer: 2, threshold: 0.5 }));
      const made = await specialize(await loadPair(directory), prompt, { threads: 1 });
      expect([made.unlike, made.gates]).toEqual([unlike, gates]);
    }
  });

  test("is refused where the file is of another generator or cloud model, of another width, of a layer that is not there, or damaged", async () => {
    const { hidden } = plain.shape.cloud;
    const opened = async (known: KnownPrompts) => {
      await writeKnownPrompts(generator, known);
      return await loadPair(directory);
    };
    const mean = new Float32Array(hidden);
    expect((await opened(around(mean))).known).toMatchObject({ layer: 1, prompts: 400 });
    for (const [part, other] of [
      ["generator", { generatorSha256: "b".repeat(64) }],
      ["cloud model", { cloudSha256: "b".repeat(64) }],
    ] as const)
      await expect(opened(around(mean, other))).rejects.toMatchObject({
        code: "E_MISMATCH",
        message: expect.stringMatching(`measured with the ${part} b{64}.*measure it again`),
      });
    await expect(opened(around(new Float32Array(hidden + 1)))).rejects.toMatchObject({ code: "E_FORMAT" });
    await expect(opened(around(mean, { layer: 3 }))).rejects.toMatchObject({ code: "E_FORMAT" });
    writeFileSync(join(generator, "known-prompts.json"), readFileSync(join(generator, "generator.json")));
    await expect(loadPair(directory)).rejects.toMatchObject({ code: "E_FORMAT" });
    expect((await loadPair(directory, { readKnown: false })).known).toBeUndefined();
  });

  test("gets no file that could not be read again", async () => {
    const mean = new Float32Array(plain.shape.cloud.hidden);
    await writeKnownPrompts(generator, around(mean));
    const before = readFileSync(join(generator, "known-prompts.json"));
    for (const known of [around(mean, { threshold: 0 }), around(mean.map(() => Number.NaN))])
      await expect(writeKnownPrompts(generator, known)).rejects.toMatchObject({ code: "E_FORMAT" });
    expect(readFileSync(join(generator, "known-prompts.json"))).toEqual(before);
  });

  test("whose generator is written anew has none any more", async () => {
    await writeKnownPrompts(generator, around(new Float32Array(plain.shape.cloud.hidden)));
    await writeLooseGenerator(generator, await readLooseGenerator(generator), "I8");
    expect(await readKnownPrompts(generator)).toBeUndefined();
    await loadPair(directory);
  });
});
