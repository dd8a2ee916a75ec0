/** @file Where a session in Node finds each frozen weight: mapped from its file, in memory, or inside the model. */
import { dirname, relative, resolve, sep } from "node:path";
import { leavesOf } from "../graph/tree.ts";
import type { Graph, Node } from "../graph/types.ts";
import type { WeightPlacement } from "../onnx/lower.ts";
import { mappedOrHeld, widenedHere } from "./mapped-or-held.ts";
import { checkedSource, inlineLimitBytes, widenedBytes } from "./ort-values.ts";
import type { WeightSource } from "./session.ts";

type Sources = Readonly<Record<string, WeightSource>>;

export type PlacedWeights = {
  readonly place: (name: string, node: Node<"weight">) => WeightPlacement;
  /** The folder that mapped files are in; undefined where none is. */
  readonly root: string | undefined;
  readonly buffers: { path: string; data: Uint8Array }[];
  /** What follows from frozen weights alone is computed once only up to this size. */
  readonly foldLimitBytes: number;
};

/** A larger result would be a second copy of the weights it follows from, and of quantised ones a wide copy. */
const foldLimitBytes = 1 << 20;

/**
 * Files are mapped by ONNX Runtime relative to one folder. Large buffers are handed over under made-up names where no weight is
 * mapped, and travel inside the model otherwise: ONNX Runtime takes external values from files or from memory, not from both.
 *
 * fp32 values that are stored narrow are widened by the model itself, once, as ONNX Runtime folds constants; the wide values take the place
 * of the mapped ones. Quantised weights would be unfolded along with them, so beside those narrow values are widened here.
 */
export async function placeWeights(graph: Graph, given: Sources): Promise<PlacedWeights> {
  const weights = leavesOf(graph, "weight");
  const found = bound(weights.keys(), given);
  const hasCodes = [...weights.values()].some(({ dtype }) => dtype === "u8");
  const sources = await mappedOrHeld(hasCodes ? await widenedHere(found) : found);
  const files = Object.values(sources).flatMap((source) => (source.kind === "file" ? [source] : []));
  const root = files.length === 0 ? undefined : commonFolder(files.map(({ path }) => resolve(path)));
  const buffers: { path: string; data: Uint8Array }[] = [];
  function place(name: string, node: Node<"weight">): WeightPlacement {
    const source = checkedSource(name, node, sources[name]);
    if (source.kind === "file") {
      const { path, offset, bytes: length, storedAs } = source;
      return { location: relative(root!, resolve(path)), offset, length, ...(storedAs && { storedAs }) };
    }
    const bytes = new Uint8Array(source.data.buffer, source.data.byteOffset, source.data.byteLength);
    if (root !== undefined || bytes.byteLength < inlineLimitBytes) return { bytes };
    const path = `buffer-${buffers.length}`;
    buffers.push({ path, data: bytes });
    return { location: path, offset: 0, length: bytes.byteLength };
  }
  const narrow = files.filter(({ storedAs }) => storedAs !== undefined);
  return { place, root, buffers, foldLimitBytes: Math.max(foldLimitBytes, ...narrow.map(widenedBytes)) };
}

/** The sources of the weights that a graph has. */
function bound(names: Iterable<string>, sources: Sources): Record<string, WeightSource> {
  const found: Record<string, WeightSource> = {};
  for (const name of names) {
    const source = sources[name];
    if (source !== undefined) found[name] = source;
  }
  return found;
}

function commonFolder(paths: readonly string[]): string {
  let folder = dirname(paths[0]!);
  while (!paths.every((path) => path.startsWith(folder.endsWith(sep) ? folder : folder + sep)))
    folder = dirname(folder);
  return folder;
}
