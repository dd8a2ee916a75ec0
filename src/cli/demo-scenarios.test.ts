import { readdirSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { demoFileOf, readDemoScenarios } from "./demo-scenarios.ts";

const root = resolve(import.meta.dirname, "../..");
const pairs = readdirSync(join(root, "pairs")).map((name) => demoFileOf(join(root, "pairs", name)));
const planned = join(root, "runs/smollm2/demo-prompts.json");

test.each([...pairs, planned])(
  "every expected answer of %s can be given: its labels, keys and function stand in the prompt, its values in the input",
  async (path) => {
    for (const { prompt, samples } of await readDemoScenarios(path)) {
      for (const { input, expected } of samples) {
        const words = expected.toLowerCase().match(/[\p{L}\d_]+/gu)!;
        for (const word of words) expect(`${prompt}\n${input}`.toLowerCase()).toContain(word);
      }
    }
  },
);

test("a file of prompts that is none is refused by name", async () => {
  const folder = await mkdtemp(join(tmpdir(), "demo-"));
  const path = join(folder, "demo.json");
  const sample = { input: "a", expected: "b" };
  for (const [content, message] of [
    ["[]", /E_FORMAT.*demo\.json/s],
    [JSON.stringify([{ name: "x", title: "x", prompt: "", samples: [sample] }]), /E_FORMAT.*prompt/s],
    [JSON.stringify([{ name: "x", title: "x", prompt: "p", samples: [] }]), /E_FORMAT.*samples/s],
    ["{", /E_FORMAT/],
  ] as const) {
    await writeFile(path, content);
    await expect(
      readDemoScenarios(path).catch((error) => Promise.reject(new Error(`${error.code} ${error.message}`))),
    ).rejects.toThrow(message);
  }
  await expect(readDemoScenarios(join(folder, "none.json"))).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  await rm(folder, { recursive: true });
});
