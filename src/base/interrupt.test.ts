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
  let ms = 0;
  const { signal } = onInterrupt((name) => names.push(name), { source, now: () => ms });
  expect(signal.aborted).toBe(false);
  source.emit("SIGINT", "SIGINT");
  expect(signal.aborted).toBe(true);
  expect(source.exits).toEqual([]);
  ms = 1001;
  source.emit("SIGTERM", "SIGTERM");
  source.emit("SIGINT", "SIGINT");
  expect(source.exits).toEqual([143, 130]);
  expect(names).toEqual(["SIGINT"]);
});

test("a signal that arrives twice within a second, as npm passes it on, counts once", () => {
  const source = new FakeProcess();
  let ms = 5;
  const { signal } = onInterrupt(undefined, { source, now: () => ms });
  source.emit("SIGINT", "SIGINT");
  ms = 900;
  source.emit("SIGINT", "SIGINT");
  expect(signal.aborted).toBe(true);
  expect(source.exits).toEqual([]);
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
