import { expect, test } from "vitest";
import { createTerminal } from "./terminal.ts";

function recording(hasColors = true) {
  const written = { stdout: "", stderr: "" };
  const sink = (name: keyof typeof written) => ({ columns: 80, write: (text: string) => (written[name] += text) });
  return { written, ...createTerminal({ stdout: sink("stdout"), stderr: sink("stderr") }, { hasColors }) };
}
const hostile = "pair\u001b[2J\u001b[31m\r\u202e";

test("what is written from outside cannot command the terminal, inside colours neither", () => {
  const { written, stdout, stderr, colors } = recording();
  stdout.write(`${colors.bold(hostile)}: ${hostile}\n`);
  stderr.write(hostile);
  expect(written.stdout).toBe("\u001b[1mpair·[2J·[31m··\u001b[22m: pair·[2J·[31m··\n");
  expect(written.stderr).toBe("pair·[2J·[31m··");
});

test("a progress bar clears its line", () => {
  const { written, stderr } = recording();
  stderr.write(`${stderr.erase}50% ${hostile}`);
  expect(written.stderr).toBe("\u001b[G\u001b[K50% pair·[2J·[31m··");
});

test("a text that a process wrote is no command in another", () => {
  const learned = recording().colors.red("x");
  const { written, stdout } = recording();
  stdout.write(learned);
  expect(written.stdout).not.toContain("\u001b");
});

test("without colours nothing is added; raw text stays as it is", () => {
  const { written, stdout, colors } = recording(false);
  stdout.write(colors.red("x"));
  stdout.writeRaw(hostile);
  expect(written.stdout).toBe(`x${hostile}`);
});
