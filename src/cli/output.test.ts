import { expect, test } from "vitest";
import { recordingContext } from "../../test/support/cli-context.ts";
import { AppError } from "../base/errors.ts";
import { printError, printResult } from "./output.ts";

test("a result is one JSON object or text, never both", () => {
  const json = recordingContext();
  printResult(json.context, { json: true }, { a: 1 }, () => "one");
  expect(json.written).toEqual({ stdout: '{"a":1}\n', stderr: "" });
  const text = recordingContext();
  printResult(text.context, {}, { a: 1 }, () => "one");
  expect(text.written).toEqual({ stdout: "one\n", stderr: "" });
});

test("a known error is its code and message, for programs too", () => {
  const { context, written } = recordingContext({ debug: true });
  expect(printError(context, { json: true }, new AppError("E_LIMIT", "too much"))).toBe(1);
  expect(written.stderr).toBe("error E_LIMIT: too much\n");
  expect(JSON.parse(written.stdout)).toEqual({ error: { code: "E_LIMIT", message: "too much" } });
});

test("an unknown error shows its stack only where that is asked for", () => {
  const quiet = recordingContext();
  printError(quiet.context, {}, new TypeError("x is not a function"));
  expect(quiet.written.stderr).toMatch(/^internal error: x is not a function\n.*LORAGEN_DEBUG=1/);
  expect(quiet.written.stderr).not.toMatch(/^ +at /m);
  const loud = recordingContext({ debug: true });
  printError(loud.context, { json: true }, new TypeError("x is not a function"));
  expect(loud.written.stderr).toMatch(/^ +at /m);
  expect(JSON.parse(loud.written.stdout)).toMatchObject({ error: { code: "E_INTERNAL" } });
});
