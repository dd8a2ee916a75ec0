import { expect, test } from "vitest";
import { costsOf } from "./costs.ts";
import type { LogLine } from "./log.ts";

const line = (method: string, task: string, changes: Partial<LogLine> = {}): LogLine => ({
  log: 1,
  task,
  stratum: "tasks",
  kind: "task",
  sample: 0,
  method,
  subject: "s",
  input: "",
  target: "",
  inputTokens: 10,
  answer: "",
  finish: "stop",
  scorer: "exact",
  scores: {},
  ms: null,
  sha256: { model: "", prompt: null, task: "" },
  versions: {},
  ...changes,
});
const cost = (flops: number, bytes = 0) => ({ seconds: 1, flops, bytes, examples: 2 });

const lines = [
  line("prompted", "a", { flops: 100, cost: cost(0, 40) }),
  line("prompted", "a", { flops: 140, sample: 1, ms: 6, cost: cost(0, 40) }),
  line("prompted", "b", { flops: 120, inputTokens: 40, cost: cost(0, 80) }),
  line("specialized", "a", { flops: 20, inputTokens: 4, cost: cost(900, 300) }),
  line("specialized", "b", {
    inputTokens: null,
    finish: "failed",
    error: { code: "E_LIMIT", message: "" },
    cost: cost(1100, 300),
  }),
  line("mine", "a", { flops: 120 }),
];

test("preparing is averaged over tasks, asking over questions, and saved operations pay for preparing", () => {
  const [prompted, specialized, mine] = costsOf(lines);
  expect(prompted).toEqual({
    method: "prompted",
    needs: { training: "nothing", beside: "nothing" },
    preparing: { seconds: 1, flops: 0, bytes: 60, examples: 2 },
    question: { tokens: 20, flops: 120, ms: 6 },
    paysBackAfter: null,
  });
  expect(specialized).toMatchObject({
    needs: { training: "once", beside: "each prompt" },
    preparing: { flops: 1000, bytes: 300 },
    question: { tokens: 4, flops: 20, ms: null },
    paysBackAfter: 10,
  });
  expect(mine).toMatchObject({ needs: null, preparing: { bytes: 0 }, paysBackAfter: null });
});

test("both passes of a question are counted: tokens, operations and time of the first one too", () => {
  const dispatch = { skill: "math", ms: 3, tokens: 30, flops: 50 };
  const [row] = costsOf([line("skills-prompt:x", "a", { flops: 100, ms: 4, dispatch })]);
  expect(row!.question).toEqual({ tokens: 40, flops: 150, ms: 7 });
  const { flops: _, tokens: __, ...old } = dispatch; // a log from before the first pass was counted
  const [before] = costsOf([line("skills-prompt:x", "a", { flops: 100, dispatch: old })]);
  expect(before!.question!.flops).toBeNull();
});

test("without the method that others are held against, or in old logs without operations, nothing is said of paying back", () => {
  expect(costsOf(lines, "gist:x").map(({ paysBackAfter }) => paysBackAfter)).toEqual([null, null, null]);
  const old = lines.map(({ flops: _, ...rest }) => rest as LogLine);
  expect(costsOf(old).map(({ question, paysBackAfter }) => [question?.flops, paysBackAfter])).toEqual([
    [null, null],
    [null, null],
    [null, null],
  ]);
});
