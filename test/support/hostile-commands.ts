/** @file Runs commands on hostile files: each ends soon, within bounds, with a result or a coded error, and prints nothing that a terminal obeys. */
import { expect } from "vitest";
import type { CliContext } from "../../src/cli/context.ts";
import { runCli } from "../../src/cli/program.ts";
import { recordingContext } from "./cli-context.ts";
import { peakResidentBytes } from "./peak-resident.ts";

/** What one command may take: time of the processor, so that a busy machine fails no test; waiting is bounded apart. */
export const hostileLimits = { cpuSeconds: 5, waitSeconds: 120, megabytes: 512 } as const;

/** Controls, and marks that turn the direction of text. */
const commands = /[^\P{Cc}\n\t]|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/** Runs a command line with `--json`. Returns the error's code, or "ok". */
export async function survives(
  args: readonly string[],
  change: (context: CliContext) => Partial<CliContext> = () => ({}),
): Promise<string> {
  const { context, written } = recordingContext();
  const cpu = process.cpuUsage();
  const peak = peakResidentBytes();
  const status = await Promise.race([
    runCli([...args, "--json"], { ...context, ...change(context) }),
    new Promise<"hangs">((done) => setTimeout(done, hostileLimits.waitSeconds * 1000, "hangs").unref()),
  ]);
  const { user, system } = process.cpuUsage(cpu);
  expect(status, "waits for something").not.toBe("hangs");
  expect((user + system) / 1e6, "seconds of the processor").toBeLessThan(hostileLimits.cpuSeconds);
  expect((peakResidentBytes() - peak) / 1e6, "megabytes").toBeLessThan(hostileLimits.megabytes);
  expect(written.stdout + written.stderr).not.toMatch(commands);
  const result = JSON.parse(written.stdout) as { error?: { code: string } };
  if (status === 0) return "ok";
  expect(written.stderr).toMatch(/^error E_[A-Z_]+: \S/m);
  expect(result.error?.code, written.stderr).toMatch(/^E_(?!INTERNAL)[A-Z_]+$/);
  return result.error!.code;
}

/** A safetensors file of any header, well-formed or not. The length in front is the header's unless one is given. */
export function safetensorsOf(header: unknown, data: Uint8Array = new Uint8Array(0), length?: bigint): Buffer {
  const text =
    header instanceof Uint8Array ? header : Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const front = Buffer.alloc(8);
  front.writeBigUInt64LE(length ?? BigInt(text.length));
  return Buffer.concat([front, text, data]);
}

/** A sound file taken apart. */
export function partsOf(file: Uint8Array): { header: Record<string, Entry>; data: Uint8Array } {
  const length = Number(Buffer.from(file).readBigUInt64LE());
  return {
    header: JSON.parse(Buffer.from(file.subarray(8, 8 + length)).toString()) as Record<string, Entry>,
    data: file.subarray(8 + length),
  };
}

export type Entry = { dtype: unknown; shape: unknown; data_offsets: unknown };

/** Texts that mean something to a terminal, a reader or an object. */
export const nastyTexts: readonly string[] = [
  "",
  "\u001b[2J\u001b[31mred",
  "\u009b31m",
  "\u202egnp.exe",
  "a\nerror E_FAKE: b",
  "a\u0000b",
  "\ud800",
  "__proto__",
  "constructor",
  "../../evil",
  "/etc/passwd",
  "x".repeat(100_000),
];
