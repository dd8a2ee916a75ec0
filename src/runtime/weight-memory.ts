/** @file Weights in files beside weights in memory: a session maps the former only while the latter fit into its model. */
import { parse } from "node:path";
import { sourceBytes } from "./ort-values.ts";
import { readValues } from "./read-weight.ts";
import type { FileSource, StoredSource } from "./session.ts";

type Sources = Readonly<Record<string, StoredSource>>;

/** What travels inside a model, which holds at most 2 GB. */
const insideBytes = 2 ** 30;

/**
 * The same sources, all of them in memory where not all that are mapped lie on one drive, or where those in memory do not fit inside the model.
 * Throws E_IO, E_FORMAT.
 */
export async function mappedOrHeld(sources: Sources, limitBytes: number = insideBytes): Promise<Sources> {
  const files = filesOf(sources);
  const drives = new Set(files.map(({ path }) => parse(path).root));
  const held = Object.values(sources).reduce((sum, one) => (one.kind === "data" ? sum + sourceBytes(one) : sum), 0);
  if (files.length === 0 || (drives.size === 1 && held <= limitBytes)) return sources;
  const read: Record<string, StoredSource> = {};
  for (const [name, source] of Object.entries(sources))
    read[name] = source.kind === "data" ? source : { kind: "data", data: await readValues(source) };
  return read;
}

export const filesOf = (sources: Sources): FileSource[] =>
  Object.values(sources).flatMap((source) => (source.kind === "file" ? [source] : []));
