import { expect, test } from "vitest";
import { recordingContext } from "../../../test/support/cli-context.ts";
import { createProgram, runCli } from "../program.ts";
import { partName } from "./combine.ts";

/** What the command's action would be given. */
async function parsed(...args: string[]) {
  const program = await createProgram(recordingContext().context);
  const given: unknown[] = [];
  program.commands.find((command) => command.name() === "combine")!.action((...values) => void given.push(...values));
  await program.parseAsync(["combine", ...args], { from: "user" });
  return { parts: given[0], input: (given[1] as { input?: unknown }).input };
}

test("--input takes one value and may be repeated: parts may come before and after it", async () => {
  const parts = [
    { path: "a", weight: 0.7 },
    { path: "b", weight: 0.3 },
  ];
  expect(await parsed("--input", "x", "a:0.7", "b:0.3")).toEqual({ parts, input: ["x"] });
  expect(await parsed("a:0.7", "--input", "x", "b:0.3", "--input", "y z")).toEqual({ parts, input: ["x", "y z"] });
  expect(await parsed("a:0.7", "b:0.3")).toEqual({ parts, input: undefined });
});

test("a part is called after its folder, or after a file with a name of its own", () => {
  expect(["a", "x/a/", "x/a/specialization.json", "x/formal.json"].map(partName)).toEqual([
    "a",
    "a",
    "a",
    "formal.json",
  ]);
});

test.each(["a:0", "a:-0", "a:1e-400", "a:", ":1"])("the part %s is refused", async (part) => {
  const { context, written } = recordingContext();
  expect(await runCli(["combine", part, "b:1", "--out", "both"], context)).toBe(1);
  expect(written.stderr).toMatch(
    /^error E_USAGE: .*Expected PATH:WEIGHT with a weight other than 0, such as formal:0\.7\. See/,
  );
});

test("a usage error ends its message with one full stop", async () => {
  for (const args of [
    ["merge", "--scale", "1000"],
    ["combine", "a:b"],
    ["run", "--promt", "x"],
    ["run", "--seed", "-1"],
  ]) {
    const { context, written } = recordingContext();
    expect(await runCli(args, context)).toBe(1);
    expect(written.stderr).toMatch(new RegExp(`^error E_USAGE: .*[^.]\\. See: loragen ${args[0]} --help\n$`));
  }
});
