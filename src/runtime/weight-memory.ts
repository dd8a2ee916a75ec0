/** @file Weights in files beside weights in memory: a session maps the former only while the latter fit into its model. */

import { AppError } from "../base/errors.ts";
import { withRegularFile } from "../base/read-file.ts";
import { readWeight } from "./read-weight.ts";
import type { WeightSource } from "./session.ts";

/** What travels inside a model, which holds at most 2 GB. */
const insideBytes = 2 ** 30;

/** The same sources, all of them in memory where mapping some would put more than fits inside the model. Throws E_IO, E_FORMAT. */
export async function mappedOrHeld(
  sources: Readonly<Record<string, WeightSource>>,
  limitBytes: number = insideBytes,
): Promise<Readonly<Record<string, WeightSource>>> {
  const held = Object.values(sources).reduce(
    (sum, source) => (source.kind === "data" ? sum + source.data.byteLength : sum),
    0,
  );
  if (held <= limitBytes || held === bytesOf(sources)) return sources;
  const all: Record<string, WeightSource> = {};
  for (const [name, source] of Object.entries(sources))
    all[name] = source.kind === "data" ? source : { kind: "data", data: await readValues(source) };
  return all;
}

/** The same sources, those that are stored narrow widened in memory. Throws E_IO, E_FORMAT. */
export async function widenedHere(
  sources: Readonly<Record<string, WeightSource>>,
): Promise<Readonly<Record<string, WeightSource>>> {
  const all: Record<string, WeightSource> = { ...sources };
  for (const [name, source] of Object.entries(sources))
    if (source.kind === "file" && source.storedAs !== undefined)
      all[name] = { kind: "data", data: await readWeight(source) };
  return all;
}

const bytesOf = (sources: Readonly<Record<string, WeightSource>>): number =>
  Object.values(sources).reduce(
    (sum, source) => sum + (source.kind === "file" ? source.bytes : source.data.byteLength),
    0,
  );

const readValues = (source: WeightSource & { readonly kind: "file" }): Promise<Uint8Array | Float32Array> =>
  source.storedAs === undefined ? readBytes(source) : readWeight(source);

/** Node reads at most 2 GiB at a time. */
const readLimit = 2 ** 30;

/** A source in a file, read. Throws E_NOT_FOUND, E_IO, E_FORMAT. */
export async function readBytes({
  path,
  offset,
  bytes,
}: WeightSource & { readonly kind: "file" }): Promise<Uint8Array> {
  return withRegularFile(path, async (file) => {
    const out = new Uint8Array(bytes);
    for (let done = 0; done < bytes; ) {
      const { bytesRead } = await file.read(out, done, Math.min(readLimit, bytes - done), offset + done);
      if (bytesRead === 0) throw new AppError("E_FORMAT", `${path}: ends at byte ${offset + done}, it was cut off`);
      done += bytesRead;
    }
    return out;
  });
}
