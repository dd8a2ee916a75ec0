/** @file 2,000 damaged evaluation task files: each gives a task that can be asked and judged, or is refused. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { damageFile, fuzz } from "../../test/support/fuzz.ts";
import { mutateJsonBytes } from "../../test/support/mutate.ts";
import { readTaskFile } from "./task-file.ts";

const valid = {
  name: "colours",
  systemPrompt: "Name the colour.",
  examples: [{ input: "the sky", target: "blue" }],
  samples: [
    { input: "grass", target: "green", choices: ["red", "green"] },
    { input: "blood", target: "red", choices: ["red", "green", "blue"] },
    { input: 'snow — says "who"?', target: "white" },
  ],
};

test("2,000 mutated task files can be asked and judged or are refused", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "fuzz-")), "task.json");
  const { outcomes, reasons } = await fuzz({
    seed: "task file",
    damage: damageFile(path, new TextEncoder().encode(JSON.stringify(valid)), mutateJsonBytes),
    read: async () => {
      const [task] = await readTaskFile(path);
      const { name, systemPrompt, examples, samples } = task!;
      expect(name).not.toBe("");
      expect(samples.length).toBeGreaterThanOrEqual(1);
      for (const text of [systemPrompt, ...[...examples, ...samples].flatMap(({ input, target }) => [input, target])])
        expect(text.trim()).not.toBe("");
      for (const { target, choices } of samples) {
        if (choices === undefined) continue;
        expect(choices).toContain(target);
        expect(new Set(choices).size).toBe(choices.length);
      }
    },
  });
  expect(outcomes["read"]).toBeGreaterThan(100);
  expect(reasons).toBeGreaterThan(20);
});
