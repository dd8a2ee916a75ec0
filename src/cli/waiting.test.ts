import { expect, test } from "vitest";
import { recordingContext } from "../../test/support/cli-context.ts";
import { waiting } from "./waiting.ts";

/** What is written while work goes on for so many seconds by a clock of its own. */
async function writtenIn(seconds: number, isTerminal: boolean): Promise<string> {
  const { context, written } = recordingContext();
  let ms = 0;
  let tick: (() => void) | undefined;
  const surroundings = { ...context, now: () => ms, isTerminal: { ...context.isTerminal, stderr: isTerminal } };
  const work = async () => {
    for (let second = 0; second < seconds; second++) {
      ms += 1000;
      tick?.();
    }
    return "done";
  };
  const every = (_: number, given: () => void) => {
    tick = given;
    return () => {
      tick = undefined;
    };
  };
  expect(await waiting(surroundings, () => "reading", work, every)).toBe("done");
  expect(tick).toBeUndefined();
  return written.stderr;
}

test("on a terminal one line counts the seconds, and ends where the work does", async () => {
  expect(await writtenIn(0, true)).toBe("");
  const text = await writtenIn(3, true);
  expect(text.split("\x1b[G\x1b[K")).toEqual([
    "",
    "reading, 1.0s so far",
    "reading, 2.0s so far",
    "reading, 3.0s so far\n",
  ]);
});

test("elsewhere a line comes after a second, then each minute", async () => {
  expect(await writtenIn(0, false)).toBe("");
  expect(await writtenIn(60, false)).toBe("reading, 1.0s so far\n");
  expect(await writtenIn(121, false)).toBe("reading, 1.0s so far\nreading, 1m01s so far\nreading, 2m01s so far\n");
});

test("work that fails ends the line too", async () => {
  const { context } = recordingContext();
  let isStopped = false;
  const every = () => () => {
    isStopped = true;
  };
  const failing = waiting(
    context,
    () => "reading",
    () => Promise.reject(new Error("no")),
    every,
  );
  await expect(failing).rejects.toThrow("no");
  expect(isStopped).toBe(true);
});
