/** @file Help: every command says what it does and shows examples that its own parser accepts. */
import { expect, test } from "vitest";
import { version } from "../../src/base/version.ts";
import { createProgram } from "../../src/cli/program.ts";
import { recordingContext } from "../support/cli-context.ts";
import { loragenHere } from "../support/loragen.ts";

const commands = (await createProgram(recordingContext().context)).commands.map((command) => command.name());

test("the overview names every command and the first steps", async () => {
  const { status, stdout, stderr } = await loragenHere(["--help"]);
  expect([status, stderr]).toEqual([0, ""]);
  for (const command of commands) expect(stdout).toMatch(new RegExp(`^  ${command} .*\\w{3}`, "m"));
  expect(stdout).toContain("$ loragen demo");
});

test("without a command the overview is printed, as an error", async () => {
  const { status, stdout, stderr } = await loragenHere([]);
  expect([status, stdout]).toEqual([1, ""]);
  expect(stderr).toContain("Usage: loragen");
});

test.each(commands)(
  "%s comes without the other files' commands, and has the same options as among them",
  async (name) => {
    const [alone, among] = [
      await createProgram(recordingContext().context, name),
      await createProgram(recordingContext().context),
    ];
    const optionsIn = (program: typeof alone) =>
      program.commands.find((command) => command.name() === name)!.options.map(({ flags }) => flags);
    expect(optionsIn(alone)).toEqual(optionsIn(among));
    expect(alone.commands.length).toBeLessThan(among.commands.length / 2);
  },
);

test("--version prints the version", async () => {
  expect(await loragenHere(["--version"])).toEqual({ status: 0, stdout: `${version}\n`, stderr: "" });
});

test("what happens without a flag is told, also where that is no value", async () => {
  for (const command of (await createProgram(recordingContext().context)).commands) {
    const help = (await loragenHere([command.name(), "--help"])).stdout.replace(/\s+/g, " ");
    for (const { long, defaultValueDescription: told } of command.options)
      if (told !== undefined) expect(help, `${command.name()} ${long}`).toContain(`default: ${told})`);
  }
});

test.each(commands)("help of %s: options fit their examples", async (name) => {
  const { status, stdout } = await loragenHere([name, "--help"]);
  expect(status).toBe(0);
  const examples = stdout.split("Examples:\n")[1]!.match(/loragen [a-z]+.*/g)!;
  expect(examples.length).toBeGreaterThan(0);
  const program = await createProgram(recordingContext().context);
  for (const example of examples) {
    const [, command, ...flags] = example.match(/"[^"]*"|\S+/g)!;
    const known = program.commands.find((candidate) => candidate.name() === command)!;
    expect(known, example).toBeDefined();
    for (const flag of flags.filter((word) => word.startsWith("--")))
      expect(
        known.options.map(({ long }) => long),
        example,
      ).toContain(flag);
  }
});
