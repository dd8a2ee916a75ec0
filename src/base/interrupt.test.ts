/** @file Interruption: first signal asks, second ends. */
import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { onInterrupt } from "./interrupt.ts";

class FakeProcess extends EventEmitter {
  readonly exits: number[] = [];
  exit(code: number): void {
    this.exits.push(code);
  }
}

test("the first signal aborts and calls back once, the second exits with 128 + its number", () => {
  const source = new FakeProcess();
  const names: string[] = [];
  const { signal } = onInterrupt((name) => names.push(name), { source });
  expect(signal.aborted).toBe(false);
  source.emit("SIGINT", "SIGINT");
  expect(signal.aborted).toBe(true);
  expect(source.exits).toEqual([]);
  source.emit("SIGTERM", "SIGTERM");
  source.emit("SIGINT", "SIGINT");
  expect(source.exits).toEqual([143, 130]);
  expect(names).toEqual(["SIGINT"]);
});

test("after close the signals are nobody's", () => {
  const source = new FakeProcess();
  const { signal, close } = onInterrupt(undefined, { source });
  close();
  expect(source.listenerCount("SIGINT") + source.listenerCount("SIGTERM")).toBe(0);
  source.emit("SIGINT", "SIGINT");
  expect(signal.aborted).toBe(false);
});

test("a real signal to this process is caught", async () => {
  const interrupt = onInterrupt();
  try {
    const aborted = new Promise((done) => interrupt.signal.addEventListener("abort", done));
    process.kill(process.pid, "SIGTERM");
    await aborted;
    expect(interrupt.signal.aborted).toBe(true);
  } finally {
    interrupt.close();
  }
});
