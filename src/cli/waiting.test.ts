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

test("on a terminal one line counts the seconds, and goes when the work is over", async () => {
  expect(await writtenIn(0, true)).toBe("");
  const text = await writtenIn(3, true);
  expect(text.split("\x1b[G\x1b[K")).toEqual([
    "",
    "reading, 1.0s so far",
    "reading, 2.0s so far",
    "reading, 3.0s so far",
    "",
  ]);
});

test("elsewhere a line comes after a second, then each minute", async () => {
  expect(await writtenIn(0, false)).toBe("");
  expect(await writtenIn(60, false)).toBe("reading, 1.0s so far\n");
  expect(await writtenIn(121, false)).toBe("reading, 1.0s so far\nreading, 1m01s so far\nreading, 2m01s so far\n");
});

test("the line of work that fails goes too", async () => {
  const { context, written } = recordingContext();
  let isStopped = false;
  let tick = (): void => undefined;
  const every = (_: number, given: () => void) => {
    tick = given;
    return () => {
      isStopped = true;
    };
  };
  const failing = waiting(
    { ...context, isTerminal: { ...context.isTerminal, stderr: true } },
    () => "reading",
    async () => {
      tick();
      throw new Error("no");
    },
    every,
  );
  await expect(failing).rejects.toThrow("no");
  expect(isStopped).toBe(true);
  const lines = written.stderr.split("\x1b[G\x1b[K");
  expect(lines).toEqual(["", expect.stringMatching(/^reading, .* so far$/) as string, ""]);
});
