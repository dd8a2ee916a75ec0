/** @file All items of the manifest, in its order. */
import { AppError } from "../../src/base/errors.ts";
import { loraGen } from "./lora-gen.ts";
import type { Row } from "./row.ts";
import { transformer2 } from "./transformer2.ts";

const table = { ...loraGen, ...transformer2 } as const satisfies Readonly<Record<string, Row>>;

export type Id = keyof typeof table;
export const IDS = Object.keys(table) as Id[];
export const rows: { readonly [I in Id]: Row } = table;

/** Throws E_USAGE for what is no item. */
export function parseId(text: string): Id {
  if (Object.hasOwn(table, text)) return text as Id;
  throw new AppError("E_USAGE", `reproduce: expected an id of --list, found ${JSON.stringify(text)}`);
}

/** What an id means: itself, or the one that it is another name of. */
export function resolved(id: Id): { readonly id: Id; readonly row: Exclude<Row, { kind: "alias" }> } {
  const row = rows[id];
  return row.kind === "alias" ? resolved(parseId(row.of)) : { id, row };
}
