/** @file What an answer must be, by what a request says of it: a JSON schema, tools, or else what the specialisation brings along. */
import { AppError } from "../../base/errors.ts";
import type { JsonValue } from "../../base/json.ts";
import { type CompiledConstraint, type ConstraintCompiler, constraintCompiler } from "../../constraint/compile.ts";
import { type ConstraintSpec, schemaSpec } from "../../constraint/spec.ts";
import { type AnswerSpec, beginsLikeCall, type ToolsSpec, toolsSpec } from "../../constraint/tools.ts";
import type { EdgePair } from "../../pair/pair.ts";
import type { ChatRequest } from "./schemas.ts";

export type Demand = {
  readonly spec: AnswerSpec | undefined;
  /** The tools of which the answer may call one. */
  readonly tools: readonly string[];
};

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
  const asked = format?.type === "json_schema" ? schemaSpec(format.json_schema.schema as JsonValue) : undefined;
  const wanted = typeof choice === "object" && choice !== null ? choice.function.name : undefined;
  const offered = choice === "none" ? [] : (tools ?? []);
  const callable = offered.filter(({ function: { name } }) => wanted === undefined || name === wanted);
  if (wanted !== undefined && callable.length === 0)
    throw new AppError("E_USAGE", `tool_choice: expected one of the tools, found ${JSON.stringify(wanted)}`);
  if (choice === "required" && callable.length === 0)
    throw new AppError("E_USAGE", "tool_choice: a call is required, but there are no tools");
  if (callable.length === 0) return { spec: format?.type === "text" ? undefined : (asked ?? own), tools: [] };
  const names = callable.map(({ function: { name } }) => name);
  const signatures = callable.map(({ function: { name, parameters } }) => ({
    name,
    parameters: (parameters ?? {}) as JsonValue,
  }));
  if (choice === "required" || wanted !== undefined) return { spec: toolsSpec(signatures), tools: names };
  const instead = format?.type === "text" ? "text" : insteadOf(asked, own, names);
  return { spec: toolsSpec(signatures, instead), tools: names };
}

/** What an answer is that calls no tool. A specialisation whose own answers are calls says nothing of it: then any text. */
function insteadOf(
  asked: ConstraintSpec | undefined,
  own: ConstraintSpec | undefined,
  names: readonly string[],
): NonNullable<ToolsSpec["instead"]> {
  if (asked !== undefined && beginsLikeCall(asked, names))
    throw new AppError(
      "E_USAGE",
      'response_format, tools: expected a schema whose JSON does not begin as a call does, {"name": …, "arguments": …}',
    );
  if (asked !== undefined) return asked;
  return own === undefined || own.kind === "calls" || beginsLikeCall(own, names) ? "text" : own;
}

export type ConstraintCache = { readonly compile: ConstraintCompiler; readonly bytes: () => number };

/** `entryBytes`: what one counts at least. */
export const constraintCacheLimits = { bytes: 2 ** 27, entryBytes: 2 ** 14 } as const;

/** Compiled constraints that come again: those used last, up to so many bytes. They grow while they are used. */
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
