/** @file Arguments that are a path and how much of what lies there: "formal:0.7". */
import { InvalidArgumentError } from "commander";

export type Weighted = { readonly path: string; readonly weight: number };

/** "DIR:0.7", "DIR" for all of it; commander collects what came before. */
export function parseWeighted(text: string, before: readonly Weighted[] | undefined): readonly Weighted[] {
  const at = text.lastIndexOf(":");
  const given = at < 0 ? "" : text.slice(at + 1);
  const weight = at < 0 ? 1 : given.trim() === "" ? Number.NaN : Number(given);
  const path = at < 0 ? text : text.slice(0, at);
  if (path === "" || !Number.isFinite(weight) || weight === 0)
    throw new InvalidArgumentError("Expected PATH:WEIGHT with a weight other than 0, such as formal:0.7.");
  return [...(before ?? []), { path, weight }];
}
