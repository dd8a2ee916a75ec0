/** @file Hostile files one after the other: each is read soundly or refused by a code, in bounded time and memory, and says nothing that commands a terminal. */
import { writeFileSync } from "node:fs";
import { expect } from "vitest";
import { AppError } from "../../src/base/errors.ts";
import { createRng, type Rng } from "../../src/base/rng.ts";
import { printableLine } from "../../src/cli/printable.ts";

/** What no file may take. */
const limits = { cpuSeconds: 5, bytes: 512 * 2 ** 20 };

export type HostileCase = {
  /** What is wrong, for the report. */
  readonly name: string;
  readonly read: () => Promise<void>;
};

/** Reads them all; `make` writes the next one. Returns how many were read, and how many refused by each code. */
export async function readHostile(
  seed: string,
  count: number,
  make: (rng: Rng, i: number) => HostileCase | Promise<HostileCase>,
): Promise<Readonly<Record<string, number>>> {
  const outcomes: Record<string, number> = {};
  const names = new Set<string>();
  const rng = createRng(seed);
  for (let i = 0; i < count; i++) {
    const { name, read } = await make(rng.split(`file-${i}`), i);
    names.add(name);
    const [cpu, memory] = [process.cpuUsage(), process.memoryUsage().rss];
    let outcome = "read";
    try {
      await read();
    } catch (error) {
      if (!(error instanceof AppError)) throw new Error(`${seed} ${i}, ${name}: ${error}`, { cause: error });
      outcome = error.code;
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      expect(printableLine(error.message), `${seed} ${i}, ${name}`).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
    }
    const { user, system } = process.cpuUsage(cpu);
    expect((user + system) / 1e6, `${seed} ${i}, ${name}: seconds`).toBeLessThan(limits.cpuSeconds);
    expect(process.memoryUsage().rss - memory, `${seed} ${i}, ${name}: bytes`).toBeLessThan(limits.bytes);
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }
  console.info(`${seed}: ${count} files, ${names.size} kinds: ${JSON.stringify(outcomes)}`);
  return outcomes;
}

export type HostileTensor = {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
  /** In place of where the bytes lie. */
  readonly offsets?: readonly number[];
};

/** Writes a safetensors file without asking whether it makes sense; equal names stand twice. */
export function writeRawSafetensors(path: string, tensors: readonly HostileTensor[], head = ""): void {
  let offset = 0;
  const entries = tensors.map(({ name, dtype, shape, bytes, offsets }) => {
    const from = offset;
    offset += bytes.length;
    return `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: offsets ?? [from, offset] })}`;
  });
  const header = Buffer.from(`{${head}${entries.join(",")}}`);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(path, Buffer.concat([length, header, ...tensors.map(({ bytes }) => bytes)]));
}

/** Names that a file may give to anything. */
export const hostileNames = [
  "",
  ".",
  "__proto__",
  "constructor",
  "\u001b[2J\u001b]0;owned\u0007",
  "\u202egnp.exe",
  "\u0000",
  "a\nb\rc",
  "../../etc/passwd",
  "x".repeat(5000),
  "\ud800",
  "base_model.model.",
  "model.layers.0..lora_A.weight",
] as const;
