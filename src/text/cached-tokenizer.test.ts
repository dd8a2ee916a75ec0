import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeSmallTokenizer } from "../../test/support/small-tokenizer.ts";
import { cachedTokenizer } from "./cached-tokenizer.ts";
import { loadTokenizer } from "./tokenizer-file.ts";

test("a text within the limits is encoded once, any other each time, and all to the same ids", async () => {
  const folder = mkdtempSync(join(tmpdir(), "cached-tokenizer-"));
  writeSmallTokenizer(folder);
  const plain = await loadTokenizer(folder);
  rmSync(folder, { recursive: true });
  const encoded: string[] = [];
  const counting: typeof plain = {
    ...plain,
    encode(text, options) {
      encoded.push(text);
      return plain.encode(text, options);
    },
  };
  const cached = cachedTokenizer(counting, { length: 7, entries: 2 });
  const texts = ["the cat", "the dog", "a bird", "the cat", "the dog", "a bird", "the birds", "the birds"];
  for (const text of texts) expect(cached.encode(text)).toEqual(plain.encode(text));
  expect(encoded).toEqual(["the cat", "the dog", "a bird", "a bird", "the birds", "the birds"]);
  cached.encode("the cat", { parseSpecial: true });
  expect(encoded).toHaveLength(7);
});
