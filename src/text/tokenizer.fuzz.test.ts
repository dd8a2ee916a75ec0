/** @file 2,000 damaged copies of each of a tokenizer's files: each is refused, or encodes and decodes without failing. */
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { damageFile, fuzz } from "../../test/support/fuzz.ts";
import { mutateJsonBytes } from "../../test/support/mutate.ts";
import { writeSentencePieceTokenizer, writeSmallTokenizer } from "../../test/support/small-tokenizer.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer.ts";

const texts = ["the other band", "<s>a<|user|>b</s>", "½ 日本語 😀\n\t", ""];

function expectSound(tokenizer: Tokenizer): void {
  const { vocabSize } = tokenizer;
  expect(vocabSize).toBeGreaterThanOrEqual(1);
  for (const text of texts) {
    for (const options of [{}, { addSpecial: true }, { parseSpecial: true }]) {
      const ids = tokenizer.encode(text, options);
      expect(ids.every((id) => Number.isInteger(id) && id >= 0 && id < vocabSize)).toBe(true);
      expect(typeof tokenizer.decode(ids)).toBe("string");
      expect(typeof tokenizer.decode(ids, { skipSpecial: true })).toBe("string");
    }
  }
}

const kinds = { "byte-level": writeSmallTokenizer, SentencePiece: writeSentencePieceTokenizer };
const cases = Object.entries(kinds).flatMap(([kind, write]) =>
  ["tokenizer.json", "tokenizer_config.json"].map((name) => ({ kind, write, name })),
);

test.each(cases)("1,000 mutations of a $kind $name are sound or refused", { timeout: 240_000 }, async (one) => {
  const dir = mkdtempSync(join(tmpdir(), "fuzz-"));
  one.write(dir);
  await loadTokenizer(dir);
  const path = join(dir, one.name);
  const { outcomes, reasons } = await fuzz({
    seed: `${one.kind} ${one.name}`,
    count: 1000,
    damage: damageFile(path, new Uint8Array(readFileSync(path)), mutateJsonBytes),
    read: async () => expectSound(await loadTokenizer(dir)),
  });
  expect(outcomes["read"]).toBeGreaterThan(50);
  expect(reasons).toBeGreaterThan(5);
});
