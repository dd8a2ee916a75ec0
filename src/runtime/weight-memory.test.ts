/** @file Weights in files beside weights in memory. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { FileSource, StoredSource } from "./session.ts";
import { mappedOrHeld } from "./weight-memory.ts";

function sources(): Record<string, StoredSource> {
  const path = join(mkdtempSync(join(tmpdir(), "held-")), "weights");
  writeFileSync(path, Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]));
  return {
    mapped: { kind: "file", path, offset: 4, bytes: 4 },
    held: { kind: "data", data: Float32Array.of(1, 2) },
  };
}

test("weights in files stay there while those in memory fit into the model", async () => {
  const given = sources();
  expect(await mappedOrHeld(given, 8)).toBe(given);
});

test("weights in files are read where those in memory do not fit beside them", async () => {
  const given = sources();
  const all = await mappedOrHeld(given, 7);
  expect(all["held"]).toBe(given["held"]);
  expect(all["mapped"]).toEqual({ kind: "data", data: Uint8Array.of(5, 6, 7, 8) });
});

test("what is stored narrow is read as fp32", async () => {
  const { mapped, held } = sources();
  const narrow = { ...(mapped as FileSource), storedAs: "bf16" as const };
  const all = await mappedOrHeld({ narrow, held: held! }, 7);
  const widened = new Float32Array(Uint16Array.of(0, 0x0605, 0, 0x0807).buffer);
  expect(all["narrow"]).toEqual({ kind: "data", data: widened });
});

test("weights in a file that was cut off are refused, naming it", async () => {
  const given = sources();
  const { path } = given["mapped"] as { path: string };
  writeFileSync(path, Uint8Array.from([1, 2, 3, 4, 5]));
  await expect(mappedOrHeld(given, 0)).rejects.toMatchObject({
    code: "E_FORMAT",
    message: expect.stringContaining(path),
  });
});
