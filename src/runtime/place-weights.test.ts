/** @file What ONNX Runtime may compute once from frozen weights. */
import { mkdtempSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { weight } from "../graph/build.ts";
import { placeWeights } from "./place-weights.ts";
import type { FileSource, StoredSource } from "./session.ts";

const [rows, columns] = [600, 520];
const narrow = weight("narrow", [rows, columns]);

function sources(): Record<string, StoredSource> {
  const path = join(mkdtempSync(join(tmpdir(), "place-")), "weights");
  writeFileSync(path, new Uint8Array(2 * rows * columns));
  return {
    narrow: { kind: "file", path, offset: 0, bytes: 2 * rows * columns, storedAs: "bf16" },
  };
}

test("weights stored narrow are mapped, and as much is folded as the largest of them takes when it is wide", async () => {
  const placed = await placeWeights(sources());
  expect(placed.place("narrow", narrow)).toEqual({
    location: "weights",
    offset: 0,
    length: 2 * rows * columns,
    storedAs: "bf16",
  });
  expect(placed.foldLimitBytes).toBe(4 * rows * columns);
});

test("a file that was cut off after it was opened is refused: mapped, it would end the process", async () => {
  const { narrow: source } = sources() as { narrow: FileSource };
  truncateSync(source.path, source.bytes - 1);
  await expect(placeWeights({ narrow: source })).rejects.toMatchObject({
    code: "E_FORMAT",
    message: `${source.path}: a weight ends at byte ${source.bytes}, found ${source.bytes - 1} bytes: it was cut off`,
  });
});
