/** @file 2,000 damaged files of task families, plain and compressed: each gives families that can be trained on, or is refused. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { damageFile, fuzz } from "../../test/support/fuzz.ts";
import { mutate, mutateJsonBytes } from "../../test/support/mutate.ts";
import { readTaskFamilies } from "./family-file.ts";
import { TASK_KINDS, type TaskFamily } from "./task.ts";

const family = (name: string): TaskFamily => ({
  name,
  kind: "routing",
  seen: true,
  paraphrases: {
    train: ["Which intent?", "Name the intent."],
    validation: ["Say the intent."],
    test: ["Tell the intent."],
  },
  train: [{ input: "pay my bill", target: "pay", choices: ["pay", "call"] }],
  validation: [{ input: "ring mum", target: "call" }],
  test: [{ input: "call dad", target: "call" }],
  labels: ["pay", "call"],
});
const text = new TextEncoder().encode(`${JSON.stringify(family("one"))}\n${JSON.stringify(family("two"))}\n`);

test.each([
  { name: "families.jsonl", original: text, change: mutateJsonBytes },
  { name: "families.jsonl.gz", original: new Uint8Array(gzipSync(text)), change: mutate },
])("2,000 mutations of $name can be trained on or are refused", async ({ name, original, change }) => {
  const path = join(mkdtempSync(join(tmpdir(), "fuzz-")), name);
  const { outcomes } = await fuzz({
    seed: name,
    damage: damageFile(path, original, change),
    read: async () => {
      const families = await readTaskFamilies([path]);
      expect(new Set(families.map((each) => each.name)).size).toBe(families.length);
      for (const { kind, paraphrases, train, validation } of families) {
        expect(TASK_KINDS).toContain(kind);
        const parts = [paraphrases.train, paraphrases.validation, train, validation];
        expect(Math.min(...parts.map(({ length }) => length))).toBeGreaterThanOrEqual(1);
      }
    },
  });
  expect(outcomes["read"]).toBeGreaterThan(0);
  expect(outcomes["E_FORMAT"]).toBeGreaterThan(200);
});
