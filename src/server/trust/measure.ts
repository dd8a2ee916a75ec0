/** @file From a specialisation of the store to its certificate: what the route and the command share. */
import { timingSafeEqual } from "node:crypto";
import { AppError } from "../../base/errors.ts";
import { hmacSha256 } from "../../base/hash.ts";
import { createRng } from "../../base/rng.ts";
import { version } from "../../base/version.ts";
import type { CompiledConstraint } from "../../constraint/compile.ts";
import type { ConstraintSpec } from "../../constraint/spec.ts";
import type { ScorerName } from "../../eval/scorers/table.ts";
import { gateValues } from "../../pair/gated-edge.ts";
import type { EdgePair } from "../../pair/pair.ts";
import type { Specialization } from "../../pair/specialization.ts";
import type { Engine } from "../engine/engine.ts";
import { type Asking, askParty } from "./ask-party.ts";
import type { Certificate, Reference } from "./certificate.ts";
import { certify, type Measured } from "./certify.ts";
import type { ReferenceModel } from "./reference.ts";

/** What is to be measured, and against what. */
export type Measurement = {
  readonly content: Specialization;
  /** The content's hash. */
  readonly object: string;
  /** With targets in all of them, or in none. */
  readonly inputs: readonly Measured[];
  readonly prompt?: string | undefined;
  readonly reference?: ReferenceModel | undefined;
  /** Exact for labels, json-equal for JSON, else normalized, unless told otherwise. */
  readonly scorer?: ScorerName | undefined;
  readonly threshold?: number | undefined;
  /** Whether the prompt is kept where it alone scores the threshold, so that it answers. */
  readonly fallback?: boolean | undefined;
  readonly tenant: string;
};

export type MeasuringWith = {
  readonly engine: Engine;
  readonly pair: EdgePair;
  readonly compile: (spec: ConstraintSpec) => CompiledConstraint;
  readonly secret: Uint8Array | undefined;
  readonly date: () => Date;
} & Pick<Asking, "turn" | "onAnswer">;

/** Longest answer of a question that is measured. */
const maxTokens = 128;

/** Throws E_USAGE for what does not fit together, before anything is asked. */
export function checkMeasurement(
  name: string,
  { content, inputs, prompt, threshold, reference, fallback = false }: Measurement,
  { secret }: Pick<MeasuringWith, "secret">,
): void {
  if (fallback && (prompt === undefined || threshold === undefined))
    throw new AppError("E_USAGE", "fallback: expected the prompt and a threshold beside it");
  if (fallback && reference === undefined && inputs.some(({ target }) => target === undefined))
    throw new AppError(
      "E_USAGE",
      "fallback: expected labelled examples or a reference model; the prompt always agrees with itself",
    );
  const { constraint } = content;
  const unknown = constraint?.kind === "labels" ? inputs.find((one) => isNoLabel(one, constraint.labels)) : undefined;
  if (unknown !== undefined)
    throw new AppError(
      "E_USAGE",
      `examples: expected one of the labels that answers are held to, found ${JSON.stringify(unknown.target!.slice(0, 80))}`,
    );
  if (prompt === undefined && inputs.some(({ target }) => target === undefined))
    throw new AppError("E_USAGE", "inputs: expected the prompt beside them, which says what is right; found none");
  const { promptHmac } = content;
  if (prompt === undefined || promptHmac === undefined || secret === undefined) return; // an anonymous one takes the caller's word
  if (!timingSafeEqual(Buffer.from(hmacSha256(secret, prompt), "hex"), Buffer.from(promptHmac, "hex")))
    throw new AppError("E_USAGE", `prompt: it is not the one that ${name} stands for`);
}

/** @throws as `certify`; E_MISMATCH for a specialisation of another pair */
export async function measure(
  { content, object, inputs, prompt, reference, scorer, threshold, fallback, tenant }: Measurement,
  { engine, pair, compile, date, turn, onAnswer }: MeasuringWith,
  { onProgress, signal }: { onProgress?: (done: number, total: number) => void; signal?: AbortSignal | undefined } = {},
): Promise<Certificate> {
  const isLabelled = inputs.every(({ target }) => target !== undefined);
  const refer = isLabelled || prompt === undefined ? undefined : reference;
  const measured = await certify(inputs, {
    ask: askParty({
      engine,
      pair,
      gates: gateValues(pair, content),
      prompt,
      constraint: content.constraint && compile(content.constraint),
      tenant,
      maxTokens,
      seed: object,
      signal,
      turn,
      onAnswer,
    }),
    isPrompted: prompt !== undefined,
    refer: refer && (async (input) => asAnswer(await refer.ask(prompt!, input, signal), content.constraint)),
    scorer: scorer ?? scorerOf(content.constraint),
    threshold,
    rng: createRng(`certificate ${object}`),
    ...(onProgress === undefined ? {} : { onProgress }),
    signal,
  });
  const from: Reference = isLabelled
    ? { kind: "labels" }
    : refer !== undefined
      ? { kind: "model", model: refer.model }
      : { kind: "prompted-edge" };
  return {
    format: "lora-gen certificate 1",
    object,
    at: date().toISOString(),
    version,
    reference: from,
    ...measured,
    ...(fallback && measured.rung === "prompted" ? { prompt } : {}),
  };
}

const isNoLabel = ({ target }: Measured, labels: readonly string[]): boolean =>
  target !== undefined && !labels.includes(target);

/** A reference's free text as the answer that is meant, in the form that answers are held to; undefined where it is none. */
export function asAnswer(text: string, constraint: ConstraintSpec | undefined): string | undefined {
  if (constraint === undefined) return text;
  if (constraint.kind === "labels") {
    const plain = (value: string): string =>
      value
        .toLowerCase()
        .replace(/[^\p{L}\p{N}]+/gu, " ")
        .trim();
    const words = (value: string): string => ` ${plain(value)} `;
    const named = constraint.labels.filter((label) => words(text).includes(words(label)));
    // "billing question" names "billing" too: the longer one is meant.
    const meant = named.filter(
      (label) => !named.some((other) => other !== label && words(other).includes(words(label))),
    );
    return constraint.labels.includes(text) ? text : meant.length === 1 ? meant[0] : undefined;
  }
  const body = /^```(?:json)?\s*([\s\S]*?)\s*```$/.exec(text)?.[1] ?? text;
  try {
    return JSON.stringify(JSON.parse(body));
  } catch {
    return undefined;
  }
}

const scorerOf = (constraint: ConstraintSpec | undefined): ScorerName =>
  constraint === undefined ? "normalized" : constraint.kind === "labels" ? "exact" : "json-equal";
