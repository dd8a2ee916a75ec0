/**
 * @file The part of JSON Schema that a constraint keeps exactly, as a grammar. Anything else is refused, never ignored: what an answer is promised
 * to be, it is.
 */
import { AppError } from "../base/errors.ts";
import type { JsonValue } from "../base/json.ts";
import { choice, type Grammar, optional, repeat, sequence, text } from "./grammar.ts";
import {
  integerGrammar,
  integersBetween,
  numberGrammar,
  stringFormats,
  stringGrammar,
  writeJson,
} from "./json-grammar.ts";

type Schema = { readonly [key: string]: JsonValue };

/** Says nothing about what is valid. */
const annotations = [
  "$schema",
  "$id",
  "$comment",
  "$defs",
  "definitions",
  "title",
  "description",
  "default",
  "examples",
  "deprecated",
  "readOnly",
  "writeOnly",
];
const ofTypes = {
  string: ["minLength", "maxLength", "format"],
  integer: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"],
  number: [],
  boolean: [],
  null: [],
  array: ["items", "minItems", "maxItems"],
  object: ["properties", "required", "additionalProperties"],
} as const satisfies Record<string, readonly string[]>;
type TypeName = keyof typeof ofTypes;

/** Depth of a schema, references followed; parts of the grammar; the most that `minLength` and the like may ask for. */
export const schemaLimits = { depth: 32, parts: 20_000, repeats: 10_000 } as const;

/** Parts by now. */
type Size = { parts: number };

type Reading = {
  readonly root: Schema;
  readonly path: string;
  readonly depth: number;
  readonly size: Size;
  /** The schemas within which this one is read. */
  readonly open: readonly Schema[];
};

/** Every so many characters of constants and of names count as a part, for references repeat them. */
const charactersOfPart = 100;
/** The same of what `oneOf` compares: the characters of its schemas, for each of them. */
const comparedOfPart = 1000;

const characters = (value: JsonValue | readonly JsonValue[]): number => JSON.stringify(value).length;

function grow(size: Size, parts: number): void {
  size.parts += parts;
  if (size.parts > schemaLimits.parts) throw new AppError("E_LIMIT", `schema: more than ${schemaLimits.parts} parts`);
}

/**
 * The grammar of a schema's texts: JSON on one line, properties in the schema's order, none but those it names.
 * @param about what it is called in messages, and the parts of schemas that were read before, where several share the limit
 * @throws E_CONFIG for keywords that cannot be kept, and for what no text satisfies; E_LIMIT
 */
export function schemaGrammar(
  schema: JsonValue,
  { path = "schema", size = { parts: 0 } }: { readonly path?: string; readonly size?: Size } = {},
): Grammar {
  const root = asSchema(schema, path);
  return read(root, { root, path, depth: 0, size, open: [] });
}

function read(value: JsonValue, { open, ...around }: Reading): Grammar {
  const { path, depth, size } = around;
  const schema = asSchema(value, path);
  const reading: Reading = { ...around, open: [...open, schema] };
  if (depth > schemaLimits.depth)
    throw new AppError("E_LIMIT", `${path}: nested deeper than ${schemaLimits.depth} levels, references followed`);
  grow(size, 1);
  const rules = Object.keys(schema).filter((key) => !annotations.includes(key));
  const only = (key: string, ...beside: readonly string[]) => {
    const other = rules.find((rule) => rule !== key && !beside.includes(rule));
    if (other !== undefined) refuse(path, `${key} without ${other} beside it`);
  };
  if ("$ref" in schema) {
    only("$ref");
    return read(...follow(schema["$ref"]!, reading));
  }
  for (const key of ["anyOf", "oneOf", "allOf"] as const) {
    if (!(key in schema)) continue;
    only(key);
    return readChoice(key, schema[key]!, reading);
  }
  if ("const" in schema || "enum" in schema) {
    only("const", "enum", "type");
    return readEnum(schema, reading);
  }
  if (!("type" in schema)) refuse(path, "a type, an enum, a const, anyOf or a $ref");
  const types = typesOf(schema, path);
  const known: readonly string[] = ["type", ...types.flatMap((type) => ofTypes[type])];
  const unknown = rules.find((rule) => !known.includes(rule));
  if (unknown !== undefined)
    refuse(path, `keywords that can be kept for ${types.join(" or ")} (${known.join(", ")}), found ${unknown}`, false);
  return choice(...types.map((type) => readers[type](schema, reading)));
}

function refuse(path: string, expected: string, isPlain = true): never {
  throw new AppError("E_CONFIG", `${path}: expected ${expected}${isPlain ? ", found none" : ""}`);
}

function asSchema(value: JsonValue | undefined, path: string): Schema {
  if (value === null || typeof value !== "object" || Array.isArray(value))
    throw new AppError("E_CONFIG", `${path}: expected a schema that is an object, found ${describe(value)}`);
  return value;
}

const describe = (value: JsonValue | undefined): string =>
  value === undefined ? "none" : JSON.stringify(value).slice(0, 60);

function asList(value: JsonValue | undefined, path: string): readonly JsonValue[] {
  if (!Array.isArray(value) || value.length === 0)
    throw new AppError("E_CONFIG", `${path}: expected a list with something in it, found ${describe(value)}`);
  return value;
}

/** What a reference within the schema names, one level deeper. */
function follow(reference: JsonValue, reading: Reading): [JsonValue, Reading] {
  const { path, root, depth, open } = reading;
  const target = targetOf(root, reference);
  if (target === undefined)
    throw new AppError(
      "E_CONFIG",
      `${path}.$ref: expected "#/$defs/NAME" of this schema, found ${describe(reference)}`,
    );
  if (isRecord(target) && open.includes(target))
    throw new AppError(
      "E_CONFIG",
      `${path}.$ref: expected no reference to itself, found ${describe(reference)} within what it names`,
    );
  const name = String(reference).split("/").at(-1)!.slice(0, 60);
  return [target, { ...reading, path: `${path}.$ref(${name})`, depth: depth + 1 }];
}

/** The part of a schema that a JSON pointer names (RFC 6901), as "#/$defs/NAME" or "#/properties/NAME"; undefined for none. */
function targetOf(root: Schema, reference: JsonValue | undefined): JsonValue | undefined {
  if (typeof reference !== "string" || !/^#(?:\/|$)/.test(reference)) return undefined;
  let at: JsonValue | undefined = root;
  for (const part of reference.split("/").slice(1)) {
    const key = decoded(part)?.replaceAll("~1", "/").replaceAll("~0", "~");
    if (key === undefined || at === null || typeof at !== "object" || !Object.hasOwn(at, key)) return undefined;
    at = (at as Schema)[key];
  }
  return at;
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

const isRecord = (value: JsonValue | undefined): value is { [key: string]: JsonValue } =>
  value !== null && typeof value === "object" && !Array.isArray(value);

function readChoice(key: "anyOf" | "oneOf" | "allOf", value: JsonValue, reading: Reading): Grammar {
  const path = `${reading.path}.${key}`;
  const parts = asList(value, path);
  if (key === "allOf" && parts.length > 1) refuse(path, `one schema, found ${parts.length}`, false);
  if (key === "oneOf") requireApart(parts, { ...reading, path });
  return choice(...parts.map((part, i) => read(part, { ...reading, path: `${path}.${i}`, depth: reading.depth + 1 })));
}

/** `oneOf` is `anyOf` where no text fits two: of different types, or objects told apart by the value of a property. */
function requireApart(parts: readonly JsonValue[], { root, path, size }: Reading): void {
  const resolved = parts.map((part) => (isRecord(part) && "$ref" in part ? targetOf(root, part["$ref"]) : part));
  const compared = resolved.reduce<number>((sum, part) => sum + (part === undefined ? 0 : characters(part)), 0);
  grow(size, Math.floor((resolved.length * compared) / comparedOfPart));
  const values = (schema: JsonValue | undefined): Set<string> | undefined => {
    if (!isRecord(schema)) return undefined;
    if ("const" in schema) return new Set([writeJson(schema["const"]!)]);
    return Array.isArray(schema["enum"]) ? new Set(schema["enum"].map(writeJson)) : undefined;
  };
  const areApart = (a: JsonValue | undefined, b: JsonValue | undefined): boolean => {
    if (!isRecord(a) || !isRecord(b)) return false;
    const [x, y] = [values(a), values(b)];
    if (x !== undefined && y !== undefined) return ![...x].some((value) => y.has(value));
    if (typeof a["type"] === "string" && typeof b["type"] === "string" && a["type"] !== b["type"])
      return ![a["type"], b["type"]].every((type) => type === "integer" || type === "number");
    const [p, q] = [a["properties"], b["properties"]];
    if (!isRecord(p) || !isRecord(q) || !Array.isArray(a["required"]) || !Array.isArray(b["required"])) return false;
    const [need, also] = [new Set(a["required"]), new Set(b["required"])];
    return [...need].some(
      (key) =>
        typeof key === "string" &&
        also.has(key) &&
        values(p[key]) !== undefined &&
        values(q[key]) !== undefined &&
        areApart(p[key], q[key]),
    );
  };
  for (const [i, a] of resolved.entries())
    for (const b of resolved.slice(i + 1))
      if (!areApart(a, b))
        refuse(
          path,
          "schemas of which no text fits two (different types, or objects with a required property of different constants); use anyOf",
          false,
        );
}

const isOfType: { readonly [Type in TypeName]: (value: JsonValue) => boolean } = {
  string: (value) => typeof value === "string",
  integer: (value) => Number.isInteger(value),
  number: (value) => typeof value === "number",
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null,
  array: Array.isArray,
  object: isRecord,
};

/** JSON.parse reads 1e999 as infinity. */
const isWritable = (value: JsonValue): boolean =>
  typeof value === "number"
    ? Number.isFinite(value)
    : value === null || typeof value !== "object" || Object.values(value).every(isWritable);

function readEnum(schema: Schema, { path, size }: Reading): Grammar {
  const types = "type" in schema ? typesOf(schema, path) : undefined;
  const listed = "enum" in schema ? asList(schema["enum"], `${path}.enum`) : [schema["const"]!];
  grow(size, Math.floor(characters(listed) / charactersOfPart));
  const texts = new Set(
    listed.filter((value) => types === undefined || types.some((type) => isOfType[type](value))).map(writeJson),
  );
  if (listed.some((value) => !isWritable(value))) refuse(path, "numbers that JSON can write");
  const kept = "const" in schema ? [writeJson(schema["const"]!)].filter((value) => texts.has(value)) : [...texts];
  if (kept.length === 0) refuse(path, "a value that fits type, enum and const");
  if (kept.some((value) => value.length > schemaLimits.repeats))
    throw new AppError("E_LIMIT", `${path}: a constant of more than ${schemaLimits.repeats} characters`);
  return choice(...kept.map(text));
}

function typesOf(schema: Schema, path: string): TypeName[] {
  const listed = Array.isArray(schema["type"]) ? asList(schema["type"], `${path}.type`) : [schema["type"]];
  if (new Set(listed).size < listed.length) refuse(`${path}.type`, "each type once", false);
  return listed.map((type) => {
    if (typeof type !== "string" || !Object.hasOwn(ofTypes, type))
      return refuse(`${path}.type`, `one of ${Object.keys(ofTypes).join(", ")}, found ${describe(type)}`, false);
    return type as TypeName;
  });
}

/** A whole number from 0; undefined where there is none. */
function count(schema: Schema, key: string, path: string): number | undefined {
  const value = schema[key];
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0)
    throw new AppError("E_CONFIG", `${path}.${key}: expected a whole number from 0, found ${describe(value)}`);
  if (value > schemaLimits.repeats)
    throw new AppError("E_LIMIT", `${path}.${key}: expected at most ${schemaLimits.repeats}, found ${value}`);
  return value;
}

function counts(schema: Schema, [low, high]: readonly [string, string], path: string): [number, number | undefined] {
  const [min = 0, max] = [count(schema, low, path), count(schema, high, path)];
  if (max !== undefined && min > max) refuse(path, `${low} up to ${high}, found ${min} and ${max}`, false);
  return [min, max];
}

const readers: { readonly [Type in TypeName]: (schema: Schema, reading: Reading) => Grammar } = {
  boolean: () => choice(text("true"), text("false")),
  null: () => text("null"),
  number: () => numberGrammar,
  integer(schema, { path }) {
    const bound = (inclusive: string, exclusive: string, step: 1 | -1, round: (value: number) => number) => {
      const bounds = [inclusive, exclusive].map((key) => {
        const value = schema[key];
        if (value === undefined) return undefined;
        if (typeof value !== "number") return refuse(`${path}.${key}`, `a number, found ${describe(value)}`, false);
        const nearest = key === exclusive && Number.isInteger(value) ? value + step : round(value);
        if (step * nearest > Number.MAX_SAFE_INTEGER)
          refuse(
            `${path}.${key}`,
            `a bound that leaves integers up to ±${Number.MAX_SAFE_INTEGER}, found ${value}`,
            false,
          );
        return nearest;
      });
      const given = bounds.filter((value) => value !== undefined);
      if (given.length === 0) return undefined;
      const safe = Math.min(
        Math.max(step > 0 ? Math.max(...given) : Math.min(...given), -Number.MAX_SAFE_INTEGER),
        Number.MAX_SAFE_INTEGER,
      );
      return safe + 0;
    };
    const min = bound("minimum", "exclusiveMinimum", 1, Math.ceil);
    const max = bound("maximum", "exclusiveMaximum", -1, Math.floor);
    if (min === undefined && max === undefined) return integerGrammar;
    const [low, high] = [min ?? -Number.MAX_SAFE_INTEGER, max ?? Number.MAX_SAFE_INTEGER];
    if (low > high) refuse(path, `an integer from ${low} to ${high}`);
    return integersBetween(low, high);
  },
  string(schema, { path }) {
    const [min, max] = counts(schema, ["minLength", "maxLength"], path);
    const format = schema["format"];
    if (format === undefined) return stringGrammar(min, max);
    const grammar = typeof format === "string" ? stringFormats.get(format) : undefined;
    if (grammar === undefined)
      return refuse(
        `${path}.format`,
        `one of ${[...stringFormats.keys()].join(", ")}, found ${describe(format)}`,
        false,
      );
    if ("minLength" in schema || "maxLength" in schema) refuse(path, "format without lengths beside it");
    return grammar;
  },
  array(schema, reading) {
    const { path, depth } = reading;
    const [min, max] = counts(schema, ["minItems", "maxItems"], path);
    if (max === 0) return text("[]");
    const item = read(schema["items"] ?? null, { ...reading, path: `${path}.items`, depth: depth + 1 });
    const rest = repeat(sequence(text(", "), item), Math.max(0, min - 1), max === undefined ? undefined : max - 1);
    const filled = sequence(text("["), item, rest, text("]"));
    return min === 0 ? choice(text("[]"), filled) : filled;
  },
  object(schema, reading) {
    const { path, depth } = reading;
    const properties = asSchema(schema["properties"] ?? {}, `${path}.properties`);
    const listed = schema["required"] === undefined ? [] : schema["required"];
    if (!Array.isArray(listed)) return refuse(`${path}.required`, `a list, found ${describe(listed)}`, false);
    const required = new Set(listed);
    if (required.size < listed.length) refuse(`${path}.required`, "each name once", false);
    for (const key of required)
      if (typeof key !== "string" || !Object.hasOwn(properties, key))
        refuse(`${path}.required`, `names of properties, found ${describe(key)}`, false);
    const others = schema["additionalProperties"];
    if (others !== undefined && typeof others !== "boolean")
      refuse(`${path}.additionalProperties`, "true or false, found a schema", false);
    const names = Object.keys(properties).reduce((sum, key) => sum + key.length, 0);
    grow(reading.size, Math.floor(names / charactersOfPart));
    const members = Object.entries(properties).map(([key, value]) => ({
      isRequired: required.has(key),
      grammar: sequence(
        text(`${JSON.stringify(key)}: `),
        read(value, { ...reading, path: `${path}.properties.${key}`, depth: depth + 1 }),
      ),
    }));
    return membersGrammar(members, reading);
  },
};

type Member = { readonly isRequired: boolean; readonly grammar: Grammar };

/** Any of the members in order, commas between them: one choice for every member that may be the first. */
function membersGrammar(members: readonly Member[], { size }: Reading): Grammar {
  const firstRequired = members.findIndex(({ isRequired }) => isRequired);
  const mayBeFirst = firstRequired < 0 ? members : members.slice(0, firstRequired + 1);
  grow(size, mayBeFirst.length * members.length);
  const behind = members.map(({ isRequired, grammar }) => {
    const next = sequence(text(", "), grammar);
    return isRequired ? next : optional(next);
  });
  const filled = mayBeFirst.map(({ grammar }, i) => sequence(grammar, ...behind.slice(i + 1)));
  const inner = firstRequired < 0 ? [text(""), ...filled] : filled;
  return sequence(text("{"), choice(...inner), text("}"));
}
