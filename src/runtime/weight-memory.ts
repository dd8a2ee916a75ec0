/** @file Weights in files beside weights in memory: a session maps the former only while the latter fit into its model. */
import { sourceBytes } from "./ort-values.ts";
import { readValues, readWeight } from "./read-weight.ts";
import type { HeldSource, StoredSource, WeightSource } from "./session.ts";

/** What travels inside a model, which holds at most 2 GB. */
const insideBytes = 2 ** 30;

/** The same sources, all of them in memory where mapping some would put more than fits inside the model. Throws E_IO, E_FORMAT. */
export async function mappedOrHeld<S extends WeightSource>(
  sources: Readonly<Record<string, S>>,
  limitBytes: number = insideBytes,
): Promise<Readonly<Record<string, S | HeldSource>>> {
  const all = Object.values(sources);
  const held = all.reduce((sum, source) => (source.kind === "data" ? sum + sourceBytes(source) : sum), 0);
  if (held <= limitBytes || all.every(({ kind }) => kind === "data")) return sources;
  const read: Record<string, S | HeldSource> = {};
  for (const [name, source] of Object.entries(sources))
    read[name] = source.kind === "data" ? source : { kind: "data", data: await readValues(source) };
  return read;
}

/** The same sources, those that are stored narrow widened in memory. Throws E_IO, E_FORMAT. */
export async function widenedHere(
  sources: Readonly<Record<string, StoredSource>>,
): Promise<Readonly<Record<string, StoredSource>>> {
  const all: Record<string, StoredSource> = { ...sources };
  for (const [name, source] of Object.entries(sources))
    if (source.kind === "file" && source.storedAs !== undefined)
      all[name] = { kind: "data", data: await readWeight(source) };
  return all;
}
