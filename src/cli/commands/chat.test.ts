/** @file Ctrl-C in a conversation: it stops an answer, and where nothing is answered it ends. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { recordingContext } from "../../../test/support/cli-context.ts";
import { writeTinyPair } from "../../../test/support/tiny-pair.ts";
import type { CliContext } from "../context.ts";
import { runCli } from "../program.ts";

const pair = mkdtempSync(join(tmpdir(), "chat-"));
beforeAll(() => writeTinyPair(pair));
afterAll(() => rmSync(pair, { recursive: true }));

const args = ["chat", "--pair", pair, "--threads", "1", "--max-tokens", "40"];
/** A pair of no words: longest answers, so that there is something to stop. */
const answersOf = (stdout: string) => stdout.trimEnd().split("\n");

/** Talks; `onText` is called with every piece that is written to stdout. */
async function talk(lines: string, onText: (piece: number) => void, isTerminal = false) {
  const { context, written } = recordingContext();
  const stdin = new PassThrough();
  stdin.write(lines);
  if (!isTerminal) stdin.end();
  let pieces = 0;
  const told = (write: (text: string) => void) => (text: string) => {
    write(text);
    onText(++pieces);
  };
  const { stdout } = context;
  const changed: CliContext = {
    ...context,
    stdin,
    stdout: { ...stdout, filter: stdout.filter, write: told(stdout.write), writeRaw: told(stdout.writeRaw) },
    isTerminal: { stdin: isTerminal, stdout: isTerminal, stderr: false },
  };
  return { status: runCli(args, changed), written, stdin };
}

test("a signal stops the answer that is being written; the next line is answered whole", async () => {
  const listening = process.listenerCount("SIGINT");
  const whole = await talk("hello\nhello\n/exit\n", () => undefined);
  expect(await whole.status).toBe(0);
  const [first, second] = answersOf(whole.written.stdout);
  expect(first).toBe(second);
  const stopped = await talk("hello\nhello\n/exit\n", (piece) => piece === 3 && process.emit("SIGINT", "SIGINT"));
  expect(await stopped.status).toBe(0);
  const [cut, next] = answersOf(stopped.written.stdout);
  expect(first!.startsWith(cut!)).toBe(true);
  expect(cut!.length).toBeLessThan(first!.length);
  expect(next).toBe(first);
  expect(process.listenerCount("SIGINT")).toBe(listening);
});

test("SIGTERM ends the conversation, in the midst of an answer too", async () => {
  const ended = await talk("hello\nhello\nhello\n", (piece) => piece === 3 && process.emit("SIGTERM", "SIGTERM"));
  expect(await ended.status).toBe(0);
  expect(answersOf(ended.written.stdout)).toHaveLength(1);
});

test("at a terminal the key Ctrl-C is the same signal: between answers it ends the conversation", async () => {
  const { status, stdin } = await talk("", () => undefined, true);
  stdin.write("\u0003");
  expect(await status).toBe(0);
});
