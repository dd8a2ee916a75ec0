/** @file What `inspect` found: for a program as JSON, for a person as lines. */
import type { Colors } from "../terminal.ts";

export type Inspection = {
  /** Begins with `kind`. */
  readonly json: { readonly kind: string } & Readonly<Record<string, unknown>>;
  readonly lines: (colors: Colors) => string[];
};

/** `name   value` with the names as wide as the widest. */
export function facts(entries: readonly (readonly [name: string, value: string])[], indent = ""): string[] {
  const width = Math.max(...entries.map(([name]) => name.length));
  return entries.map(([name, value]) => `${indent}${name.padEnd(width)}  ${value}`);
}
