/** @file 600 damaged logs: each is read whole, scored anew and reported, or refused. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { damageFile, fuzz } from "../../test/support/fuzz.ts";
import { mutateJsonBytes } from "../../test/support/mutate.ts";
import { LOG_VERSION, type LogLine } from "./log.ts";
import { openLog, readLogs } from "./log-file.ts";
import { summarize } from "./report.ts";
import { rescored } from "./scorers/table.ts";

const line = (sample: number, method: string): LogLine => ({
  log: LOG_VERSION,
  task: "colours",
  stratum: "tasks",
  kind: "task",
  sample,
  method,
  subject: "pair",
  input: "sky",
  target: "blue",
  ...(sample === 0 ? {} : { choices: ["blue", "red"], logLikelihoods: [-1, -2.5] }),
  inputTokens: 3,
  answer: "blue",
  finish: sample === 0 ? "stop" : "choice",
  scorer: sample === 0 ? "exact" : "choice",
  scores: { [sample === 0 ? "exact" : "choice"]: { score: 1, reason: "equal" } },
  ms: 1.5,
  cost: { seconds: 0, flops: 0, bytes: 0, examples: 0 },
  sha256: { model: "a", prompt: null, task: "b" },
  versions: { loragen: "0" },
});

test("600 mutations of a log are reported or refused, and reading one to go on with it leaves its whole lines", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "fuzz-")), "answers.jsonl");
  const lines = [line(0, "base"), line(1, "base"), line(0, "specialized"), line(1, "specialized")];
  const text = lines.map((each) => `${JSON.stringify(each)}\n`).join("");
  const { outcomes, reasons } = await fuzz({
    seed: "log of an evaluation",
    count: 600,
    damage: damageFile(path, new TextEncoder().encode(text), mutateJsonBytes),
    read: async () => {
      const read = await readLogs([path]);
      const scored: LogLine[] = [];
      for (const each of read) scored.push(await rescored(each));
      expect(() => JSON.stringify(summarize(scored, { seed: 1 }))).not.toThrow();
      await using log = await openLog(path);
      expect(log.lines.length).toBeLessThanOrEqual(read.length);
    },
  });
  expect(outcomes["read"]).toBeGreaterThan(40);
  expect(reasons).toBeGreaterThan(30);
});
