/** @file What an answer must be, by what a request says of it: a JSON schema, tools, or else what the specialisation brings along. */
import { AppError } from "../../base/errors.ts";
import type { JsonValue } from "../../base/json.ts";
import { type CompiledConstraint, type ConstraintCompiler, constraintCompiler } from "../../constraint/compile.ts";
import { type ConstraintSpec, schemaSpec } from "../../constraint/spec.ts";
import type { EdgePair } from "../../pair/pair.ts";
import type { ChatRequest } from "./schemas.ts";

export type Demand = {
  readonly spec: ConstraintSpec | undefined;
  /** Whether the answer is a call of a tool: `{"name": …, "arguments": …}`. */
  readonly isCall: boolean;
};

type Tool = NonNullable<ChatRequest["tools"]>[number];

/** Throws E_CONFIG for a schema that cannot be kept, E_USAGE for what contradicts itself. */
export function demandOf(
  request: Pick<ChatRequest, "response_format" | "tools" | "tool_choice">,
  own: ConstraintSpec | undefined,
): Demand {
  const { response_format: format, tools, tool_choice: choice } = request;
  if (format?.type === "json_object")
    throw new AppError(
      "E_USAGE",
      'response_format: JSON of any form cannot be kept to; expected {"type": "json_schema"} with a schema',
    );
  const offered = choice === "none" ? [] : (tools ?? []);
  if (format?.type === "json_schema") {
    if (offered.length > 0)
      throw new AppError("E_USAGE", "response_format, tools: expected one of the two, found both");
    return { spec: schemaSpec(format.json_schema.schema as JsonValue), isCall: false };
  }
  if (format?.type === "text") return { spec: undefined, isCall: false };
  const wanted = typeof choice === "object" && choice !== null ? choice.function.name : undefined;
  const callable = wanted === undefined ? offered : offered.filter((tool) => tool.function.name === wanted);
  if (wanted !== undefined && callable.length === 0)
    throw new AppError("E_USAGE", `tool_choice: expected one of the tools, found ${JSON.stringify(wanted)}`);
  if (choice === "required" && callable.length === 0)
    throw new AppError("E_USAGE", "tool_choice: a call is required, but there are no tools");
  if (callable.length === 0) return { spec: own, isCall: false };
  return { spec: schemaSpec(callSchema(callable)), isCall: true };
}

/** One of the calls that the tools allow. */
function callSchema(tools: readonly Tool[]): JsonValue {
  const calls = tools.map(({ function: { name, parameters } }): JsonValue => {
    const given = parameters ?? { type: "object", properties: {} };
    if ("$defs" in given || "definitions" in given)
      throw new AppError("E_CONFIG", `tools: ${name}: parameters with definitions of their own cannot be kept to`);
    return {
      type: "object",
      properties: { name: { const: name }, arguments: given as JsonValue },
      required: ["name", "arguments"],
      additionalProperties: false,
    };
  });
  return calls.length === 1 ? calls[0]! : { anyOf: calls };
}

export type ConstraintCache = { readonly compile: ConstraintCompiler; readonly bytes: () => number };

/** `entryBytes`: what one counts at least. */
export const constraintCacheLimits = { bytes: 2 ** 27, entryBytes: 2 ** 14 } as const;

/** Compiled constraints of labels and schemas that come again: those used last, up to so many bytes. They grow while they are used. */
export function createConstraintCache(
  { tokenizer, layout }: Pick<EdgePair, "tokenizer" | "layout">,
  maxBytes: number = constraintCacheLimits.bytes,
): ConstraintCache {
  const compileNew = constraintCompiler(tokenizer, layout);
  const compiled = new Map<string, CompiledConstraint>(); // the one used last comes last
  const sizeOf = (key: string, { bytes }: CompiledConstraint): number =>
    Math.max(constraintCacheLimits.entryBytes, 2 * key.length + bytes());
  const bytes = (): number => [...compiled].reduce((sum, [key, each]) => sum + sizeOf(key, each), 0);
  const cached: ConstraintCompiler = (spec) => {
    const key = JSON.stringify(spec);
    const found = compiled.get(key) ?? compileNew(spec);
    compiled.delete(key);
    compiled.set(key, found);
    let held = bytes();
    for (const [oldest, each] of compiled) {
      if (held <= maxBytes) break;
      held -= sizeOf(oldest, each);
      compiled.delete(oldest);
    }
    return found;
  };
  return { compile: cached, bytes };
}
