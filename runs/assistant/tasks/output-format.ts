/** @file How an answer is written: a bare label, a JSON object, a call with arguments. */

export type IntentFormat = "label" | "json" | "call";

/** The answer of a router in each format. */
export const intentTarget: { readonly [F in IntentFormat]: (label: string) => string } = {
  label: (label) => label,
  json: (label) => jsonTarget([["intent", label]]),
  call: (label) => `route(${JSON.stringify(label)})`,
};

type Fields = readonly (readonly [name: string, value: string])[];

/** A flat JSON object on one line; of a repeated name the first value counts. */
export function jsonTarget(fields: Fields): string {
  const seen = new Set<string>();
  const parts: string[] = [];
  for (const [name, value] of fields) {
    if (seen.has(name)) continue;
    seen.add(name);
    parts.push(`${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  }
  return `{${parts.join(", ")}}`;
}

/** `Method(name="value", …)`. */
export const callTarget = (method: string, fields: Fields): string =>
  `${method}(${fields.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(", ")})`;
