/** @file Calls of functions as text: JSON, or `name(key="value")`. */
import { type JsonValue, parseJson } from "../base/json.ts";

/** undefined: no JSON. */
export function jsonOf(text: string): JsonValue | undefined {
  try {
    return parseJson(text.trim(), { what: "answer" });
  } catch {
    return undefined;
  }
}

export type Call = {
  readonly name: string;
  /** By their names; positional ones by "0", "1", … */
  readonly arguments: Readonly<Record<string, JsonValue>>;
};

const nameKeys = ["name", "function", "tool", "api", "action"];
const argumentKeys = ["arguments", "parameters", "args"];

/** undefined: no call. */
export function callOf(text: string): Call | undefined {
  return callOfJson(jsonOf(text)) ?? callOfText(text.trim());
}

function callOfJson(value: JsonValue | undefined): Call | undefined {
  if (!isRecord(value)) return undefined;
  const nameKey = nameKeys.find((key) => typeof value[key] === "string");
  if (nameKey === undefined) return undefined;
  const argumentKey = argumentKeys.find((key) => isRecord(value[key]));
  const { [nameKey]: name, ...rest } = value;
  return {
    name: name as string,
    arguments: argumentKey === undefined ? rest : (value[argumentKey] as Call["arguments"]),
  };
}

const isRecord = (value: JsonValue | undefined): value is { [key: string]: JsonValue } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function callOfText(text: string): Call | undefined {
  const [, name, inner] = /^([A-Za-z_][\w.-]*)\((.*)\)$/s.exec(text) ?? [];
  if (name === undefined) return undefined;
  const parts = splitArguments(inner!).map((part, i): [string, JsonValue] => {
    const [, key = String(i), value = part] = /^([A-Za-z_]\w*)\s*[=:]\s*(.*)$/s.exec(part) ?? [];
    return [key, literal(value)];
  });
  return { name, arguments: Object.fromEntries(parts) };
}

/** At commas outside quotes and brackets. */
function splitArguments(text: string): string[] {
  const parts: string[] = [];
  let [depth, open, from] = [0, "", 0];
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (open !== "") {
      if (character === "\\") i++;
      else if (character === open) open = "";
    } else if (character === '"' || character === "'") open = character;
    else if ("([{".includes(character)) depth++;
    else if (")]}".includes(character)) depth--;
    else if (character === "," && depth === 0) {
      parts.push(text.slice(from, i));
      from = i + 1;
    }
  }
  return [...parts, text.slice(from)].map((part) => part.trim()).filter((part) => part !== "");
}

const literal = (text: string): JsonValue => {
  const trimmed = text.trim();
  const single = /^'(.*)'$/s.exec(trimmed)?.[1];
  return single ?? jsonOf(trimmed) ?? trimmed;
};
