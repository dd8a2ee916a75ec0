/** @file Progress: what a person sees on a terminal and what a log file gets. */
import { expect, test } from "vitest";
import { streamLogger } from "./log.ts";
import { createProgress, formatDuration, type ProgressOptions } from "./progress.ts";

/** A progress over 200 items whose clock the test moves. */
function setUp(options: Partial<ProgressOptions> = {}) {
  const clock = { ms: 0 };
  const written: string[] = [];
  const stream = { write: (text: string) => written.push(text), columns: 60 };
  const progress = createProgress({
    stream,
    isTerminal: false,
    total: 200,
    label: "train",
    now: () => clock.ms,
    ...options,
  });
  return { clock, written, progress };
}

test("a log file gets one line per five per cent, with rate, time left and fields", () => {
  const { clock, written, progress } = setUp();
  for (let done = 1; done <= 200; done++) {
    clock.ms += 500;
    progress.update(done, { loss: 1.23456 });
  }
  progress.finish();
  expect(written).toHaveLength(21); // the first update and every 5 %
  expect(written[10]).toBe("train  50%  100/200  2/s  50s < 50s  loss 1.235\n");
  expect(written.at(-1)).toBe("train  100%  200/200  2/s  1m40s  loss 1.235\n");
});

test("slow work gives a line at least every minute", () => {
  const { clock, written, progress } = setUp({ total: 100_000 });
  for (let done = 1; done <= 10; done++) {
    clock.ms += 61_000;
    progress.update(done);
  }
  expect(written).toHaveLength(10);
});

test("a terminal gets one line redrawn at most ten times a second and cut to its width", () => {
  const { clock, written, progress } = setUp({ isTerminal: true });
  for (let done = 1; done <= 100; done++) {
    clock.ms += 10;
    progress.update(done, { loss: 2 });
  }
  expect(written.length).toBeLessThanOrEqual(11);
  expect(written.every((text) => text.startsWith("\r\x1b[K") && text.length <= 3 + 1 + 59)).toBe(true);
  progress.finish();
  progress.finish();
  expect(written.at(-1)).toBe("\n");
  expect(written.at(-2)).toContain("100/200");
  expect(written.filter((text) => text === "\n")).toHaveLength(1);
});

test("a note goes above the bar, which is drawn again", () => {
  const { written, progress } = setUp({ isTerminal: true });
  progress.note("reading");
  progress.update(1);
  progress.note("saved step-1");
  expect(written[0]).toBe("reading\n");
  expect(written[2]).toBe("\r\x1b[Ksaved step-1\n");
  expect(written[3]).toBe(written[1]);
});

test("a resumed run shows the rate of this process, not of the steps before", () => {
  const { clock, written, progress } = setUp({ start: 100 });
  clock.ms = 10_000;
  progress.update(110);
  expect(written[0]).toContain("1/s  10s < 1m30s");
});

test("as JSON every line parses, on a terminal too", () => {
  const { clock, written, progress } = setUp({ json: true, isTerminal: true });
  clock.ms = 1000;
  progress.update(100, { loss: 2.5 });
  progress.note("half");
  progress.finish();
  expect(written.map((line) => JSON.parse(line))).toEqual([
    { label: "train", done: 100, total: 200, perSecond: 100, etaSeconds: 1, seconds: 1, loss: 2.5 },
    { label: "train", note: "half" },
  ]);
});

test("nothing to do is done: no division by zero", () => {
  const { written, progress } = setUp({ total: 0 });
  progress.update(0);
  expect(written[0]).toBe("train  100%  0/0  0/s  0.0s\n");
});

test("durations read naturally", () => {
  expect([0.85, 9.94, 12.4, 62, 3725].map(formatDuration)).toEqual(["0.8s", "9.9s", "12s", "1m02s", "1h02m"]);
});

test("a stream logger writes lines and marks warnings", () => {
  let text = "";
  const log = streamLogger({ write: (part) => (text += part) });
  log.info("loaded");
  log.warn("slow");
  expect(text).toBe("loaded\nwarning: slow\n");
});
