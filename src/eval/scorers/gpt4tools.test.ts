import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { checkSchema } from "../../base/json.ts";
import { readJsonl } from "../../files/jsonl.ts";
import { mean } from "../statistics.ts";
import { type ToolScores, toolScores } from "./gpt4tools.ts";

const yes = "Thought: Do I need to use a tool? Yes\n";
const no = "Thought: Do I need to use a tool? No\n";
const call = (tool: string, input: string) => `${yes}Action: ${tool}\nAction Input: ${input}\n`;
const seen = { thought: 1, action: 1, arguments: 1, success: 1, iou: 1 };
const none = { thought: 0, action: 0, arguments: 0, success: 0, iou: 0 };
const gold = `${call("Detect Face", "example.png")}Observation: ok\n${no}AI: done`;

describe("the five metrics", () => {
  test.each<[string, string, string, ToolScores]>([
    ["a right call counts, whatever the picture's name is", gold, call("Detect Face", "image/x.png"), seen],
    [
      "a last No behind the calls is no thought too many",
      gold,
      `${call("Detect Face", "a.png")}Observation: ok\n${no}AI: done`,
      seen,
    ],
    [
      "a last No that is no plain No counts as one",
      gold,
      `${call("Detect Face", "a.png")}${no.trim()}!\n`,
      { ...seen, thought: 0.5, success: 0, iou: 1 },
    ],
    [
      "a second call too many halves each list",
      gold,
      call("Detect Face", "a.png").repeat(2),
      { ...seen, thought: 0.5, action: 0.5, arguments: 0.5, success: 0 },
    ],
    [
      "another tool",
      gold,
      call("detect face", "a.png"),
      { thought: 1, action: 0, arguments: 1, success: 0, iou: 2 / 3 },
    ],
    [
      "no picture where one is wanted",
      gold,
      call("Detect Face", "a face"),
      { thought: 1, action: 1, arguments: 0, success: 0, iou: 2 / 3 },
    ],
    [
      "another number of arguments",
      gold,
      call("Detect Face", "a.png, b.png"),
      { thought: 1, action: 1, arguments: 0, success: 0, iou: 2 / 3 },
    ],
    [
      "half of the words of a text",
      call("Draw", "a.png,a red dog"),
      call("Draw", "a.png,a red cat"),
      { ...seen, arguments: (1 + 2 / 3) / 2, iou: (2 + (1 + 2 / 3) / 2) / 3 },
    ],
    ["nothing said", gold, "", none],
    ["no tool needed, and none used", `${no}AI: hello`, `${no}AI: bye`, seen],
    ["no tool needed, but no reply", `${no}AI: hello`, no, { ...none, iou: 1 }],
    ["no tool needed, one used", `${no}AI: hello`, call("Draw", "a.png"), none],
  ])("%s", (_, target, answer, wanted) => {
    const found = toolScores(target, answer);
    for (const [key, value] of Object.entries(wanted))
      expect(found[key as keyof ToolScores], key).toBeCloseTo(value as number, 6);
  });
});

const path = resolve(import.meta.dirname, "../../../../shared/data/gpt4tools/test.jsonl.gz");
const missing = !existsSync(path);

/** Computed by another implementation of the same rules, over all 652 items. */
const references: readonly (readonly [string, (row: Row) => string, readonly number[]])[] = [
  ["the reference itself", ({ output }) => output, [100, 100, 99.54, 99.54, 99.847]],
  [
    "cut before its first observation",
    ({ output }) => output.split("Observation:")[0]!,
    [100, 100, 99.54, 99.54, 99.847],
  ],
  ["never a tool", () => `${no}AI: ok`, [7.669, 7.669, 7.669, 7.669, 7.669]],
  ["nothing", () => "", [0, 0, 0, 0, 0]],
  [
    "always the first tool",
    ({ instruction }) => call(/^> (.*?):/m.exec(instruction)![1]!, "image.png"),
    [92.331, 30.982, 72.086, 24.08, 65.133],
  ],
  [
    "every argument a picture",
    ({ output }) => output.replaceAll(/Action Input: .*/g, "Action Input: image.png"),
    [100, 100, 79.755, 79.755, 93.252],
  ],
  [
    "tools in small letters",
    ({ output }) => output.replaceAll(/Action: .*/g, (line) => `Action: ${line.slice(8).toLowerCase()}`),
    [100, 7.669, 99.54, 7.669, 69.07],
  ],
];
const Row = z.object({ instruction: z.string(), output: z.string() });
type Row = z.infer<typeof Row>;

describe.skipIf(missing)(missing ? `published items (skipped: ${path} is absent)` : "published items", () => {
  test("seven predictions get the five numbers of another implementation", async () => {
    const rows: Row[] = [];
    for await (const value of readJsonl(path)) rows.push(checkSchema(value, Row, { what: path }));
    expect(rows).toHaveLength(652);
    for (const [name, answerOf, wanted] of references) {
      const scores = rows.map((row) => toolScores(row.output.trim(), answerOf(row).trim()));
      const found = (["thought", "action", "arguments", "success", "iou"] as const).map(
        (key) => 100 * mean(scores.map((one) => one[key])),
      );
      expect(
        found.map((value) => Number(value.toFixed(3))),
        name,
      ).toEqual(wanted);
    }
  });
});
