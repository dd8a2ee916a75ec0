/** @file JSON from untrusted places: bounded in size and depth, checked against a schema. */
import type { z } from "zod";
import { AppError } from "./errors.ts";
import { utf8Length } from "./utf8.ts";

export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

/** Bounds for JSON that says nothing else. A value takes far more memory than its text, and a wrong one more than a right one. */
export const jsonLimits = { maxBytes: 64 * 2 ** 20, maxDepth: 64, maxValues: 2 ** 20 } as const;

export interface JsonLimits {
  readonly maxBytes?: number;
  /** How deep arrays and objects may nest; `[]` has depth 1. */
  readonly maxDepth?: number;
  /** How many values there may be, objects and lists among them. */
  readonly maxValues?: number;
}

export interface ParseJsonOptions extends JsonLimits {
  /** What the text is, for messages: a path, or "gates of …". */
  readonly what: string;
  /** Refuse objects that name a key twice (JSON.parse keeps the last one silently). */
  readonly uniqueKeys?: boolean;
}

/** Parses a text. Throws E_LIMIT beyond the bounds and E_FORMAT on anything that is not JSON. */
export function parseJson(
  text: string,
  {
    what,
    maxBytes = jsonLimits.maxBytes,
    maxDepth = jsonLimits.maxDepth,
    maxValues = jsonLimits.maxValues,
    uniqueKeys = false,
  }: ParseJsonOptions,
): JsonValue {
  if (3 * text.length > maxBytes && utf8Length(text) > maxBytes)
    throw new AppError("E_LIMIT", `${what}: JSON of more than ${maxBytes} bytes`);
  scan(text, { what, maxDepth, maxValues, uniqueKeys });
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new AppError("E_FORMAT", `${what}: not valid JSON (${(error as Error).message})`, { cause: error });
  }
}

/** Whether a text is JSON as a whole, of whatever size. */
export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

export interface SchemaOptions {
  readonly what: string;
  /** E_CONFIG for what a user writes, E_FORMAT for what a program wrote. */
  readonly code?: "E_CONFIG" | "E_FORMAT";
}

/** As much of what a file says as an error quotes. */
const MAX_ISSUE = 500;

/** Checks a parsed value against a schema; the error lists the first failing keys by path. */
export function checkSchema<Schema extends z.ZodType>(
  value: unknown,
  schema: Schema,
  { what, code = "E_FORMAT" }: SchemaOptions,
): z.infer<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.flatMap(explainUnion);
  const lines = issues.slice(0, 5).map(({ path, message }) => `${keyPath(path)}: ${message}`.slice(0, MAX_ISSUE));
  if (issues.length > 5) lines.push(`and ${issues.length - 5} more`);
  throw new AppError(code, `${what}: ${lines.join("; ")}`);
}

/** A union says only "Invalid input"; what is wrong is said by the alternative that the value comes closest to. */
function explainUnion(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== "invalid_union") return [issue];
  const depth = (issues: readonly z.core.$ZodIssue[]) =>
    issues.reduce((deepest, { path }) => Math.max(deepest, path.length), 0);
  const isOtherType = (issues: readonly z.core.$ZodIssue[]) =>
    issues.some(({ code, path }) => code === "invalid_type" && path.length === 0);
  const [closest] = issue.errors.filter((issues) => !isOtherType(issues)).sort((a, b) => depth(b) - depth(a));
  return closest?.flatMap((inner) => explainUnion({ ...inner, path: [...issue.path, ...inner.path] })) ?? [issue];
}

/** Looks at brackets and keys only, before any parser recurses; what is malformed is left for JSON.parse to name. */
function scan(
  text: string,
  { what, maxDepth, maxValues, uniqueKeys }: Required<Omit<ParseJsonOptions, "maxBytes">>,
): void {
  let values = 1;
  const count = () => {
    if (++values > maxValues) throw new AppError("E_LIMIT", `${what}: JSON of more than ${maxValues} values`);
  };
  const open: (Set<string> | undefined)[] = []; // per open bracket: the object's keys, or undefined for an array
  let expectKey = false;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22: {
        const end = stringEnd(text, i);
        const keys = open.at(-1);
        if (expectKey && keys !== undefined) {
          const key = decodeKey(text.slice(i, end + 1));
          if (keys.has(key)) throw new AppError("E_FORMAT", `${what}: duplicate key ${JSON.stringify(key)}`);
          keys.add(key);
        }
        expectKey = false;
        i = end;
        break;
      }
      case 0x7b: // {
      case 0x5b: {
        if (open.length >= maxDepth)
          throw new AppError("E_LIMIT", `${what}: JSON nested deeper than ${maxDepth} levels`);
        count();
        const isObject = text.charCodeAt(i) === 0x7b;
        open.push(isObject && uniqueKeys ? new Set() : undefined);
        expectKey = isObject;
        break;
      }
      case 0x7d: // }
      case 0x5d:
        open.pop();
        expectKey = false;
        break;
      case 0x2c: // , — after it an object has its next key; in an array the keys are undefined
        count();
        expectKey = true;
        break;
    }
  }
}

/** Index of the quote that closes the string opened at `start`; the text's end when none does. */
function stringEnd(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) return i;
    if (code === 0x5c) i++; // what follows a backslash cannot close it
  }
  return text.length;
}

function decodeKey(quoted: string): string {
  if (!quoted.includes("\\")) return quoted.slice(1, -1);
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return quoted; // malformed: JSON.parse of the whole text will say so
  }
}

const keyPath = (path: readonly PropertyKey[]): string =>
  path.length === 0 ? "top level" : path.map(String).join(".");
