import { expect, test } from "vitest";
import { wantsColors } from "./context.ts";

test.each([
  ["a terminal", {}, true, true],
  ["a pipe", {}, false, false],
  ["NO_COLOR", { NO_COLOR: "1", FORCE_COLOR: "1" }, true, false],
  ["FORCE_COLOR into a pipe", { FORCE_COLOR: "1" }, false, true],
  ["FORCE_COLOR=0", { FORCE_COLOR: "0" }, true, false],
  ["a dumb terminal", { TERM: "dumb" }, true, false],
])("colours by environment: %s", (_, env, isTerminal, expected) => {
  expect(wantsColors(env, isTerminal)).toBe(expected);
});
