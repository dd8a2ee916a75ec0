import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeJsonFile } from "../base/json-file.ts";
import { familyTask } from "./family-task.ts";
import { readTaskFile, readTaskFiles } from "./task-file.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "task-file-"));
});
afterAll(() => rm(folder, { recursive: true }));

const valid = {
  name: "a-task",
  systemPrompt: "Say yes or no.",
  examples: [{ input: "is it?", target: "yes" }],
  samples: [
    { input: "was it?", target: "no", choices: ["yes", "no"] },
    { input: "say more", target: "more" },
  ],
};
async function write(value: unknown, name = "task.json"): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, typeof value === "string" ? value : JSON.stringify(value));
  return path;
}

describe("a task file", () => {
  test("is read as it was written; without examples it has none", async () => {
    const filled = { ...valid, stratum: "tasks", kind: "task" };
    expect(await readTaskFile(await write(valid))).toEqual([filled]);
    const { examples: _, ...rest } = valid;
    expect(await readTaskFile(await write(rest))).toEqual([{ ...filled, examples: [] }]);
  });

  test("that a task family was turned into is read back equal", async () => {
    const samples = Array.from({ length: 12 }, (_, i) => ({ input: `input ${i}`, target: i % 2 === 0 ? "yes" : "no" }));
    const paraphrases = { train: ["Answer."], validation: ["Say."], test: ["Reply."] };
    const family = { name: "f", kind: "yes-no", seen: true, paraphrases, labels: ["yes", "no"] } as const;
    const file = familyTask(
      { ...family, train: samples, validation: samples, test: samples },
      { split: "test", samples: 5, seed: 1, withChoices: true },
    );
    const path = join(folder, "family.json");
    await writeJsonFile(path, file);
    expect(await readTaskFile(path)).toEqual([file]);
  });

  test("of JSON lines holds a task in each line; seeds tell variants of one name apart", async () => {
    const tasks = [
      valid,
      { ...valid, seed: 1 },
      { ...valid, seed: 2 },
      { ...valid, name: "b", labels: ["no", "more"] },
    ];
    const lines = tasks.map((task) => JSON.stringify(task));
    const read = await readTaskFiles([await write(lines.join("\n"), "suite.jsonl")]);
    expect(read.map(({ name, seed }) => [name, seed])).toEqual([
      ["a-task", undefined],
      ["a-task", 1],
      ["a-task", 2],
      ["b", undefined],
    ]);
    const twice = await write([...lines, lines[1]].join("\n"), "twice.jsonl");
    await expect(readTaskFiles([twice])).rejects.toMatchObject({ code: "E_DATA" });
    const broken = await write([lines[0], JSON.stringify({ ...valid, name: 3 })].join("\n"), "broken.jsonl");
    await expect(readTaskFile(broken)).rejects.toThrow(/broken\.jsonl: task 2: name/);
    await expect(readTaskFile(await write("\n", "empty.jsonl"))).rejects.toMatchObject({ code: "E_FORMAT" });
  });

  const sample = valid.samples[0]!;
  const wrong: [string, unknown, string][] = [
    ["a missing key", { ...valid, systemPrompt: undefined }, "systemPrompt"],
    ["an unknown key", { ...valid, sample: [] }, "sample"],
    ["no samples", { ...valid, samples: [] }, "samples"],
    ["an empty prompt", { ...valid, systemPrompt: " \n" }, "systemPrompt"],
    ["an empty target", { ...valid, samples: [{ input: "a", target: " " }] }, "samples.0.target"],
    ["a target that is no choice", { ...valid, samples: [{ ...sample, target: "maybe" }] }, "samples.0.target"],
    ["a single choice", { ...valid, samples: [{ ...sample, choices: ["no"] }] }, "samples.0.choices"],
    ["a choice given twice", { ...valid, samples: [{ ...sample, choices: ["no", "no"] }] }, "samples.0.choices"],
    ["a target outside the labels", { ...valid, labels: ["yes", "no"] }, "samples.1.target"],
    ["two ways to name scorers", { ...valid, scorer: "exact", scorers: ["exact"] }, "scorer"],
    ["a number for a text", { ...valid, examples: [{ input: 1, target: "x" }] }, "examples.0.input"],
    ["a name that moves the cursor", { ...valid, name: "a\u001b[2J" }, "name"],
    ["something that is not JSON", "{", "task.json"],
  ];
  test.each(wrong)("with %s is refused, naming the file and the key", async (_, value, key) => {
    const path = await write(value);
    const error = await readTaskFile(path).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "E_FORMAT" });
    expect((error as Error).message).toContain(path);
    expect((error as Error).message).toContain(key);
  });

  test("that is nested deeper than any task file is refused before it is parsed", async () => {
    await expect(readTaskFile(await write("[".repeat(10_000)))).rejects.toMatchObject({ code: "E_LIMIT" });
  });

  test("that is not there is E_NOT_FOUND", async () => {
    await expect(readTaskFile(join(folder, "none.json"))).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  });
});

test("two files of one name are refused, naming both files", async () => {
  const [a, b] = [await write(valid, "a.json"), await write(valid, "b.json")];
  const error = await readTaskFiles([a, b]).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: "E_DATA" });
  expect((error as Error).message).toContain(a);
  expect((error as Error).message).toContain(b);
  expect(await readTaskFiles([a, await write({ ...valid, name: "other" }, "b.json")])).toHaveLength(2);
});
