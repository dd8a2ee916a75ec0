/** @file Where a session in Node finds each frozen weight: mapped from its file, in memory, or inside the model. */
import { statSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { dirname, relative, sep } from "node:path";
import { AppError } from "../base/errors.ts";
import { withRegularFile } from "../base/read-file.ts";
import type { Node } from "../graph/types.ts";
import type { WeightPlacement } from "../onnx/lower.ts";
import { checkedSource, inlineLimitBytes, widenedBytes } from "./ort-values.ts";
import type { FileSource, StoredSource } from "./session.ts";
import { filesOf, mappedOrHeld } from "./weight-memory.ts";

type Sources = Readonly<Record<string, StoredSource>>;

export type PlacedWeights = {
  readonly place: (name: string, node: Node<"weight">) => WeightPlacement;
  /** The folder that mapped files are in; undefined where none is. */
  readonly root: string | undefined;
  readonly buffers: { path: string; data: Uint8Array }[];
  /** Throws E_FORMAT where a mapped file was cut off since: a session that reads on would end the process. */
  readonly requireWhole: () => void;
  /** What follows from frozen weights alone is computed once only up to this size. */
  readonly foldLimitBytes: number;
};

/** A larger result would be a second copy of the weights it follows from, and of quantised ones a wide copy. */
const foldLimitBytes = 1 << 20;

/**
 * Files are mapped by ONNX Runtime relative to one folder, which their real paths must not leave: links are followed here. Large buffers are handed over under made-up names where no weight is
 * mapped, and travel inside the model otherwise: ONNX Runtime takes external values from files or from memory, not from both.
 *
 * fp32 values that are stored narrow are widened by the model itself, once, as ONNX Runtime folds constants; the wide values take the place
 * of the mapped ones.
 * @throws E_NOT_FOUND, E_IO; E_FORMAT where a file ends before a weight in it does: it was cut off after its header was read
 */
export async function placeWeights(given: Sources): Promise<PlacedWeights> {
  const sources = await mappedOrHeld(given);
  const files = filesOf(sources);
  const mapped = await findMapped(files);
  const real = new Map(mapped.map(({ path, realPath }) => [path, realPath]));
  const root = files.length === 0 ? undefined : commonFolder([...real.values()]);
  const buffers: { path: string; data: Uint8Array }[] = [];
  function place(name: string, node: Node<"weight">): WeightPlacement {
    const source = checkedSource(name, node, sources[name]);
    if (source.kind === "file") {
      const { path, offset, bytes: length, storedAs } = source;
      return { location: relative(root!, real.get(path)!), offset, length, ...(storedAs && { storedAs }) };
    }
    const bytes = new Uint8Array(source.data.buffer, source.data.byteOffset, source.data.byteLength);
    if (root !== undefined || bytes.byteLength < inlineLimitBytes) return { bytes };
    const path = `buffer-${buffers.length}`;
    buffers.push({ path, data: bytes });
    return { location: path, offset: 0, length: bytes.byteLength };
  }
  const narrow = files.filter(({ storedAs }) => storedAs !== undefined);
  return {
    place,
    root,
    buffers,
    requireWhole: () => requireWhole(mapped),
    foldLimitBytes: Math.max(foldLimitBytes, ...narrow.map(widenedBytes)),
  };
}

type Mapped = {
  readonly path: string;
  /** Behind any links. */
  readonly realPath: string;
  /** Where the last weight in it ends. */
  readonly end: number;
  readonly inode: number;
};

/** The files behind sources. What is mapped must be there: touching what is not ends the process. */
async function findMapped(sources: readonly FileSource[]): Promise<Mapped[]> {
  const ends = new Map<string, number>();
  for (const { path, offset, bytes } of sources) ends.set(path, Math.max(offset + bytes, ends.get(path) ?? 0));
  const mapped: Mapped[] = [];
  for (const [path, end] of ends) {
    const found = await withRegularFile(path, async (file, size) => {
      if (size < end) throw cutOff(path, end, size);
      return { path, realPath: await realpath(path), end, inode: (await file.stat()).ino };
    });
    mapped.push(found);
  }
  return mapped;
}

/** Looks again. A file that another one has taken the name of lives on as long as it is mapped. */
function requireWhole(mapped: readonly Mapped[]): void {
  for (const { path, realPath, end, inode } of mapped) {
    const found = statSync(realPath, { throwIfNoEntry: false });
    if (found?.ino === inode && found.size < end) throw cutOff(path, end, found.size);
  }
}

const cutOff = (path: string, end: number, size: number): AppError =>
  new AppError("E_FORMAT", `${path}: a weight ends at byte ${end}, found ${size} bytes: it was cut off`);

function commonFolder(paths: readonly string[]): string {
  let folder = dirname(paths[0]!);
  while (!paths.every((path) => path.startsWith(folder.endsWith(sep) ? folder : folder + sep)))
    folder = dirname(folder);
  return folder;
}
