import { expect, test } from "vitest";
import { recordingContext } from "../../test/support/cli-context.ts";
import { runCli } from "./program.ts";

test.each([
  ["run", "100000", 0],
  ["demo", "257", 0],
  ["bench", "100000", 1],
])("%s refuses %s threads, naming the largest number allowed", async (command, threads, least) => {
  const { context, written } = recordingContext();
  expect(await runCli([command, "--threads", threads, "--json"], context)).toBe(1);
  expect(JSON.parse(written.stdout)).toMatchObject({
    error: {
      code: "E_USAGE",
      message: expect.stringContaining(`Expected a whole number from ${least} to 256.`) as unknown,
    },
  });
});
