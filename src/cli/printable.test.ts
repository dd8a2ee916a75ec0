import { expect, test } from "vitest";
import { printable, printableLine } from "./printable.ts";

test("a model cannot send commands to the terminal", () => {
  expect(printable("a\u001b[2J\u0007\tb\nc\u009b1m äö")).toBe("a·[2J·\tb\nc·1m äö");
  expect(printableLine("a\u001b[2J\tb\nc")).toBe("a·[2J·b⏎c");
});
