/** @file From a specialisation of the store to its certificate: what the route and the command share. */
import { timingSafeEqual } from "node:crypto";
import { AppError } from "../../base/errors.ts";
import { hmacSha256, sha256 } from "../../base/hash.ts";
import { createRng } from "../../base/rng.ts";
import { utf8Length } from "../../base/utf8.ts";
import { version } from "../../base/version.ts";
import { keepsForm } from "../../constraint/keeps-form.ts";
import type { ConstraintSpec } from "../../constraint/spec.ts";
import type { ScorerName } from "../../eval/scorers/table.ts";
import { gateValues } from "../../pair/gated-edge.ts";
import type { EdgePair } from "../../pair/pair.ts";
import { encodeSpecialization, type Specialization } from "../../pair/specialization.ts";
import type { Example } from "../../text/prompt.ts";
import type { CloudSide, Side } from "../sides.ts";
import { type Asking, askParty, type Source, shuffledGates } from "./ask-party.ts";
import { fitting, patient } from "./asking.ts";
import type { Certificate, Party, Reference, Rung } from "./certificate.ts";
import { certify, certifyLimits, type Measured, requireReading, requireVerdict } from "./certify.ts";
import type { ReferenceModel } from "./reference.ts";
import type { RefineGates } from "./refine.ts";
import { residualPrompt } from "./residual.ts";

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
  /** So many of the inputs, drawn by the content's hash, are not measured: gates are refined on them where those predicted score too little. */
  readonly refine?: number | undefined;
  /** Whether the cheapest that scores the threshold answers, where that is not the specialisation; what it needs of the prompt is kept. */
  readonly fallback?: boolean | undefined;
  readonly tenant: string;
};

export type MeasuringWith = {
  readonly edge: Side;
  readonly pair: EdgePair;
  /** Where the cloud model may answer too. */
  readonly cloud?: CloudSide | undefined;
  readonly refine?: RefineGates | undefined;
  readonly secret: Uint8Array | undefined;
  readonly date: () => Date;
} & Pick<Asking, "turn" | "onAnswer">;

/**
 * Inputs that gates are refined on, and those that are measured. Where some are set aside, each input counts once, so that none is among both.
 */
export function drawInputs({ inputs, refine = 0, object }: Pick<Measurement, "inputs" | "refine" | "object">): {
  readonly fitted: readonly Measured[];
  readonly measured: readonly Measured[];
} {
  if (refine === 0) return { fitted: [], measured: inputs };
  const first = new Map<string, Measured>();
  for (const each of inputs) if (!first.has(each.input)) first.set(each.input, each);
  const drawn = createRng(`certificate refine ${object}`).shuffle([...first.values()]);
  return { fitted: drawn.slice(0, refine), measured: drawn.slice(refine) };
}

/** Of what is asked to be measured of a content. */
export function askedSha256({ inputs, prompt, reference, ...asked }: Omit<Measurement, "content" | "object">): string {
  const { scorer = null, threshold = null, refine = 0, fallback = false } = asked;
  const model = inputs.every(({ target }) => target !== undefined) ? null : (reference?.model ?? null);
  const texts = inputs.map(({ input, target = null }) => [input, target]);
  return sha256(JSON.stringify([texts, prompt !== undefined, model, scorer, threshold, refine, fallback]));
}

/** Longest answer of a question that is measured. */
export const answerTokens = 128;

/** An answer that has to be the target has no more tokens than bytes, whoever writes it; a few more for white space, marks and the end. */
export function tokensFor(examples: readonly Measured[]): (input: string) => number {
  const longest = new Map<string, number>();
  for (const { input, target = "" } of examples)
    longest.set(input, Math.max(utf8Length(target), longest.get(input) ?? 0));
  return (input) => Math.min(answerTokens, 16 + longest.get(input)!);
}

/** Of an answer that is not held to its form: one that is longer than any label, in bytes, is none. */
const freeTokens = (constraint: ConstraintSpec): number =>
  constraint.kind === "labels"
    ? Math.min(answerTokens, 2 + Math.max(...constraint.labels.map(utf8Length)))
    : answerTokens;

/** Throws E_USAGE for what does not fit together, before anything is asked. */
export function checkMeasurement(
  name: string,
  measurement: Measurement,
  { secret }: Pick<MeasuringWith, "secret">,
): void {
  const { content, prompt } = measurement;
  checkAsked({ ...measurement, constraint: content.constraint });
  requirePromptOf(name, content, prompt, secret);
}

/** What can be refused before there is a content: of that it needs the constraint alone. */
export function checkAsked({
  constraint,
  inputs,
  prompt,
  scorer,
  threshold,
  reference,
  refine = 0,
  fallback = false,
}: Omit<Measurement, "content" | "object" | "tenant"> & { readonly constraint: ConstraintSpec | undefined }): void {
  if (scorer !== undefined) requireReading(scorer);
  if (refine > 0 && (threshold === undefined || refine < certifyLimits.refineLeast))
    throw new AppError(
      "E_USAGE",
      `refine: expected a threshold, and ${certifyLimits.refineLeast} inputs or more to refine gates on`,
    );
  if (threshold !== undefined) {
    const beside = refine === 0 ? "" : ` beside ${refine} to refine gates on, each input counted once`;
    const count = refine === 0 ? inputs.length : new Set(inputs.map(({ input }) => input)).size - refine;
    requireVerdict(Math.max(0, count), beside);
  }
  if (fallback && (prompt === undefined || threshold === undefined))
    throw new AppError("E_USAGE", "fallback: expected the prompt and a threshold beside it");
  if (fallback && reference === undefined && inputs.some(({ target }) => target === undefined))
    throw new AppError(
      "E_USAGE",
      "fallback: expected labelled examples or a reference model; the prompt always agrees with itself",
    );
  const unknown = constraint?.kind === "labels" ? inputs.find((one) => isNoLabel(one, constraint.labels)) : undefined;
  if (unknown !== undefined)
    throw new AppError(
      "E_USAGE",
      `examples: expected one of the labels that answers are held to, found ${JSON.stringify(unknown.target!.slice(0, 80))}`,
    );
  if (prompt === undefined && inputs.some(({ target }) => target === undefined))
    throw new AppError("E_USAGE", "inputs: expected the prompt beside them, which says what is right; found none");
}

/** Throws E_USAGE for a prompt that is not the one that a name stands for; an anonymous one takes the caller's word. */
export function requirePromptOf(
  name: string,
  { promptHmac }: Pick<Specialization, "promptHmac">,
  prompt: string | undefined,
  secret: Uint8Array | undefined,
): void {
  if (prompt === undefined || promptHmac === undefined || secret === undefined) return;
  if (!timingSafeEqual(Buffer.from(hmacSha256(secret, prompt), "hex"), Buffer.from(promptHmac, "hex")))
    throw new AppError("E_USAGE", `prompt: it is not the one that ${name} stands for`);
}

/** @throws as `certify`; E_MISMATCH for a specialisation of another pair */
export async function measure(
  measurement: Measurement,
  { edge, pair, cloud, refine: refineGates, date, turn, onAnswer }: MeasuringWith,
  { onProgress, signal }: { onProgress?: (done: number, total: number) => void; signal?: AbortSignal | undefined } = {},
): Promise<Certificate> {
  const { content, object, inputs, prompt, reference, scorer, threshold, refine = 0, fallback, tenant } = measurement;
  const isLabelled = inputs.every(({ target }) => target !== undefined);
  const model = isLabelled || prompt === undefined ? undefined : reference;
  const refer =
    model &&
    (async (input: string) => {
      const said = await model.ask(prompt!, input, signal);
      return said === undefined ? undefined : asAnswer(said, content.constraint);
    });
  const { fitted, measured: measuredInputs } = drawInputs({ inputs, refine, object });
  const scoredBy = scorer ?? scorerOf(content.constraint);
  const gates = gateValues(pair, content);
  const sources = new Map<Party, Source>([
    ["specialized", { side: edge, gates }],
    ["control", { side: edge, gates: shuffledGates(gates, pair.shape.edge.layers, object) }],
    ["base", { side: edge }],
    ["prompted", { side: edge, prompt }],
  ]);
  const { constraint } = content;
  const asking = { sources, tenant, signal, turn, onAnswer };
  const isText = constraint === undefined && isLabelled && (scoredBy === "exact" || scoredBy === "normalized");
  const ask = askParty({ ...asking, constraint, maxTokens: isText ? tokensFor(inputs) : answerTokens });
  const free = constraint && {
    ask: askParty({ ...asking, constraint: undefined, maxTokens: freeTokens(constraint) }),
    keeps: keepsForm(constraint),
  };
  let refined: Specialization | undefined;
  let residual: string | undefined;

  /** None where the input is too long to be asked, or nothing can be made of the answer. */
  async function targetOf({ input, target }: Measured): Promise<Example[]> {
    const found =
      target ??
      (refer === undefined
        ? (await fitting(() => patient(ask, { signal })("prompted", input)))?.text
        : await fitting(() => refer(input)));
    return found === undefined || found === "" ? [] : [{ input, target: found }];
  }

  const steps: { readonly [R in Rung]: () => Promise<string | undefined> } = {
    specialized: async () => undefined,
    async refined() {
      if (refine === 0) return "no inputs were set aside to refine gates on";
      if (refineGates === undefined) return "gates are not refined here";
      const examples: Example[] = [];
      for (const each of fitted) examples.push(...(await targetOf(each)));
      const scoring =
        constraint?.kind === "labels"
          ? { scorer: "choice" as const, labels: constraint.labels }
          : { scorer: scoredBy, labels: undefined };
      const { labels } = scoring;
      try {
        refined = await refineGates(content, examples, {
          scorer: scoring.scorer,
          ...(labels === undefined ? {} : { labels }),
          signal,
        });
      } catch (error) {
        if (error instanceof AppError && isReason.has(error.code)) return error.message;
        throw error;
      }
      if (refined === undefined) return "no gates were found that are better on the examples set aside";
      sources.set("refined", { side: edge, gates: gateValues(pair, refined) });
      return undefined;
    },
    async residual() {
      residual = prompt && residualPrompt(prompt);
      if (prompt === undefined) return "the prompt was not given";
      if (residual === undefined) return "the prompt has no sentences that must stay beside others that need not";
      const found = refined === undefined ? gates : gateValues(pair, refined);
      sources.set("residual", { side: edge, gates: found, prompt: residual });
      return undefined;
    },
    prompted: async () => "the prompt was not given",
    async cloud() {
      if (prompt === undefined) return "the prompt was not given";
      if (cloud === undefined) return "the cloud model does not answer here";
      sources.set("cloud", { cloud, prompt });
      return undefined;
    },
  };

  const measured = await certify(measuredInputs, {
    ask,
    free,
    isPrompted: prompt !== undefined,
    refer,
    scorer: scoredBy,
    mustEnd: isText,
    threshold,
    climb: (rung) => steps[rung](),
    rng: createRng(`certificate ${object}`),
    ...(onProgress === undefined ? {} : { onProgress }),
    signal,
  });
  const from: Reference = isLabelled
    ? { kind: "labels" }
    : model !== undefined
      ? { kind: "model", model: model.model }
      : { kind: "prompted-edge" };
  const { rung } = measured;
  const keeps: { readonly [R in Rung]: Pick<Certificate, "refined" | "residual" | "prompt"> } = {
    specialized: {},
    refined: kept({ refined }),
    residual: kept({ refined, residual }),
    prompted: kept({ prompt }),
    cloud: kept({ prompt }),
  };
  return {
    format: "lora-gen certificate 1",
    object,
    at: date().toISOString(),
    version,
    reference: from,
    askedSha256: askedSha256(measurement),
    ...measured,
    ...(refine === 0 ? {} : { refinedOn: refine }),
    ...(fallback && rung && rung !== "specialized" ? { answers: rung, ...keeps[rung] } : {}),
  };
}

/** Why gates cannot be refined, rather than a fault. */
const isReason: ReadonlySet<string> = new Set(["E_DATA", "E_CONFIG", "E_LIMIT", "E_PROMPT"]);

const kept = ({
  refined,
  residual,
  prompt,
}: {
  readonly refined?: Specialization | undefined;
  readonly residual?: string | undefined;
  readonly prompt?: string | undefined;
}): Pick<Certificate, "refined" | "residual" | "prompt"> => ({
  ...(refined === undefined ? {} : { refined: encodeSpecialization(refined) }),
  ...(residual === undefined ? {} : { residual }),
  ...(prompt === undefined ? {} : { prompt }),
});

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
  if (constraint.kind === "calls") return text.trim();
  const body = /^```(?:json)?\s*([\s\S]*?)\s*```$/.exec(text)?.[1] ?? text;
  try {
    return JSON.stringify(JSON.parse(body));
  } catch {
    return undefined;
  }
}

const scorerOf = (constraint: ConstraintSpec | undefined): ScorerName =>
  constraint === undefined ? "normalized" : constraint.kind === "schema" ? "json-equal" : "exact";
