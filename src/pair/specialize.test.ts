/** @file One prompt to gates: what the gates look like, and which prompts and pairs are refused. */
import { createHmac } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeSmallTokenizer } from "../../test/support/small-tokenizer.ts";
import { openTinyPair, writeTinyPair } from "../../test/support/tiny-pair.ts";
import { hexToBase64 } from "../base/base64.ts";
import { sha256 } from "../base/hash.ts";
import { quantizeDirectory } from "../models/quantized/directory-file.ts";
import { resolveQuantization } from "../models/quantized/layout.ts";
import { encodeCloudPrompt, PLAIN_LAYOUT, SPECIAL_TOKEN_LAYOUT } from "../text/prompt.ts";
import { loadPair, type Pair, writePairFile } from "./pair-file.ts";
import { encodeSpecialization, parseSpecialization } from "./specialization.ts";
import { createSpecializer, type Specializer, specialize } from "./specialize.ts";

const prompt = "Name the intent of a bank customer's message. Answer with the label only.";
const long = "word ".repeat(200);

let pair: Pair;
let specializer: Specializer;
beforeAll(async () => {
  pair = await openTinyPair({ context: 128 });
  specializer = await createSpecializer(pair, { threads: 1 });
});
afterAll(() => specializer.close());

test("every layer keeps K experts whose gates are positive and sum to 1", async () => {
  const { gates, layers, experts, topK } = await specializer.specialize(prompt);
  expect({ layers, experts, topK }).toEqual({ layers: 2, experts: 4, topK: 2 });
  expect(gates).toHaveLength(layers);
  for (const row of gates) {
    expect(row).toHaveLength(experts);
    expect(row.filter((gate) => gate > 0)).toHaveLength(topK);
    expect(row.reduce((sum, gate) => sum + gate, 0)).toBeCloseTo(1, 6);
  }
});

test("of a dense generator every expert is in use, and the file says so", async () => {
  const dense = await openTinyPair({ generator: { strategy: "dense" } });
  const specialization = await specialize(dense, prompt, { threads: 1 });
  expect(specialization.topK).toBe(4);
  for (const row of specialization.gates) expect(row.filter((gate) => gate > 0)).toHaveLength(4);
  const read = parseSpecialization(encodeSpecialization(specialization), "dense").gates;
  read.flat().forEach((gate, i) => {
    const wanted = specialization.gates.flat()[i]!;
    expect(Math.abs(gate - wanted)).toBeLessThanOrEqual(wanted * 2 ** -11);
  });
});

test("the same prompt gives the same gates, by a kept or a fresh session; another prompt gives others", async () => {
  const { ms, ...first } = await specializer.specialize(prompt);
  const { ms: _, ...second } = await specialize(pair, prompt, { threads: 1 });
  expect(second).toEqual(first);
  expect(ms!.cloud).toBeGreaterThan(0);
  expect((await specializer.specialize("Rewrite the text in capitals.")).gates).not.toEqual(first.gates);
});

test("provenance names the prompt, its tokens and the three sets of weights", async () => {
  const secret = Uint8Array.of(1, 2, 3);
  const specialization = await specializer.specialize(prompt, { secret });
  expect(specialization).toMatchObject({
    promptHmac: createHmac("sha256", secret).update(prompt).digest("hex"),
    cloudSha256: pair.cloud.sha256,
    edgeSha256: pair.edge.sha256,
    generatorSha256: pair.generator.sha256,
    promptTokens: pair.tokenizer.encode(prompt).length + 2, // with the begin and the system token
    truncated: false,
  });
});

test("provenance tells how the cloud model was quantised, while it was loaded or on disk, and nothing where it was not", async () => {
  const directory = mkdtempSync(join(tmpdir(), "specialize-"));
  await writeTinyPair(directory);
  const made = async (opened: Pair) => await specialize(opened, prompt, { threads: 1 });
  const plain = await made(await loadPair(directory));
  expect(plain).not.toHaveProperty("cloudQuantization");
  const loaded = await made(await loadPair(directory, { quantize: { cloud: { bits: 4, symmetric: true } } }));
  const { config } = pair.cloud;
  expect(loaded.cloudQuantization).toEqual(resolveQuantization(config, { bits: 4, symmetric: true, blockSize: 32 }));
  const quantization = { bits: 8, symmetric: false, blockSize: 64, tableBlockSize: 128 } as const;
  await quantizeDirectory(join(directory, "cloud"), join(directory, "cloud-int8"), quantization);
  await writePairFile(directory, { name: "stored", layout: SPECIAL_TOKEN_LAYOUT, cloud: "cloud-int8" });
  const stored = await made(await loadPair(directory));
  expect(stored.cloudQuantization).toEqual(quantization);
  expect(stored.gates).not.toEqual(plain.gates);
  expect(parseSpecialization(encodeSpecialization(stored), "written").cloudQuantization).toEqual(quantization);
  expect([loaded, stored].map(({ cloudSha256 }) => cloudSha256)).toEqual([plain.cloudSha256, plain.cloudSha256]);
});

describe("a prompt", () => {
  test.each(["", " \n\t"])("without text is refused: %j", async (empty) => {
    await expect(specializer.specialize(empty)).rejects.toMatchObject({ code: "E_PROMPT" });
  });

  test("longer than the cloud's context is refused with both counts", async () => {
    const tokens = pair.tokenizer.encode(long).length + 2;
    const room = pair.shape.cloud.context - pair.shape.edge.layers;
    await expect(specializer.specialize(long)).rejects.toThrow(new RegExp(`at most ${room} tokens, found ${tokens}`));
  });

  test("is shortened when asked, and that is told", async () => {
    const told: { tokens: number; kept: number }[] = [];
    const onRead = ({ tokens, kept }: { tokens: number; kept: number }) => void told.push({ tokens, kept });
    const { truncated, promptTokens, gates } = await specializer.specialize(long, { truncate: true, onRead });
    expect(truncated).toBe(true);
    expect(told).toEqual([{ tokens: promptTokens, kept: pair.shape.cloud.context - pair.shape.edge.layers }]);
    expect(promptTokens).toBe(pair.tokenizer.encode(long).length + 2);
    expect((await specializer.specialize(long, { truncate: "middle" })).gates).toEqual(gates);
    const uneven = `Translate. ${long}`; // "middle" keeps the first words, "left" does not
    const [middle, left] = await Promise.all(
      (["middle", "left"] as const).map((truncate) => specializer.specialize(uneven, { truncate })),
    );
    expect(left).toMatchObject({ truncated: true, promptTokens: middle!.promptTokens });
    expect(left!.gates).not.toEqual(middle!.gates);
    expect(gates.flat().every(Number.isFinite)).toBe(true);
  });
});

test("dense gates, gates per layer and pools without normalisation specialise as well", async () => {
  const generator = {
    strategy: "dense",
    routerScope: "layer",
    routerNorm: "none",
    poolScope: "layer",
    metaTokens: "distinct",
  } as const;
  const { gates } = await specialize(await openTinyPair({ generator }), prompt);
  for (const row of gates) {
    expect(row.every((gate) => gate > 0)).toBe(true);
    expect(row.reduce((sum, gate) => sum + gate, 0)).toBeCloseTo(1, 6);
  }
});

test("weights that are not finite give E_NAN, not gates", async () => {
  const broken = await openTinyPair();
  const [name, values] = [...broken.generator.tensors].find(([key]) => key.startsWith("router.f1"))!;
  const tensors = new Map(broken.generator.tensors).set(name, values.slice().fill(Number.NaN));
  const damaged = { ...broken, generator: { ...broken.generator, tensors } };
  await expect(specialize(damaged, prompt)).rejects.toMatchObject({ code: "E_NAN" });
});

test("the cloud model reads prompts by its own tokenizer and layout where the pair has them", async () => {
  const directory = mkdtempSync(join(tmpdir(), "specialize-"));
  await writeTinyPair(directory);
  writeSmallTokenizer(join(directory, "cloud-tokenizer"));
  const both = { name: "two", layout: SPECIAL_TOKEN_LAYOUT };
  await writePairFile(directory, { ...both, cloudTokenizer: "cloud-tokenizer", cloudLayout: PLAIN_LAYOUT });
  const pair = await loadPair(directory);
  const prompt = "the cat and the dog";
  const ids = encodeCloudPrompt(pair.cloudTokenizer, PLAIN_LAYOUT, prompt);
  expect(ids.length).not.toBe(encodeCloudPrompt(pair.tokenizer, pair.layout, prompt).length);
  const { promptTokens, gates } = await specialize(pair, prompt);
  expect(promptTokens).toBe(ids.length);
  expect(gates.flat().every(Number.isFinite)).toBe(true);
  const other = await specialize(pair, `${prompt} sat`);
  expect(other.gates).not.toEqual(gates);
});

test("the embedding of the token in a meta token's place is never read", async () => {
  const gates = async (meta: string) => {
    const cloudLayout = { ...SPECIAL_TOKEN_LAYOUT, meta };
    return (await specialize({ ...pair, cloudLayout }, prompt, { threads: 1 })).gates;
  };
  expect(await gates("<pad>")).toEqual(await gates("<meta>"));
});

test("only the holder of the secret finds a prompt by its specialisation; without one nothing in the file depends on its text alone", async () => {
  const of = (secret: number) => specializer.specialize(prompt, { secret: Uint8Array.of(secret) });
  const [first, again, other] = [await of(1), await of(1), await of(2)];
  expect(again.promptHmac).toBe(first.promptHmac);
  expect(other.promptHmac).not.toBe(first.promptHmac);
  const anonymous = encodeSpecialization(await specializer.specialize(prompt));
  expect(anonymous).not.toContain("promptHmac");
  for (const hash of [sha256(prompt), hexToBase64(sha256(prompt))])
    expect(anonymous + encodeSpecialization(first)).not.toContain(hash);
});
