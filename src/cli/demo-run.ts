/** @file The demo's work: specialise, answer every input in three roles, measure each. */
import { isDeepStrictEqual } from "node:util";
import { findConstraint } from "../constraint/find.ts";
import type { ConstraintSpec } from "../constraint/spec.ts";
import { jsonOf } from "../data/function-call.ts";
import { createDecoder, type Decoder } from "../decode/decoder.ts";
import { type Answer, type Answerer, createAnswerer } from "../pair/answer.ts";
import type { Pair } from "../pair/pair-file.ts";
import { encodeSpecialization } from "../pair/specialization-file.ts";
import { createSpecializer, type Specializer } from "../pair/specialize.ts";
import { specializedEdge } from "../pair/specialized-edge.ts";
import type { Device } from "../runtime/session.ts";
import type { DemoSample, DemoScenario } from "./demo-scenarios.ts";

export const roles = ["base", "prompted", "specialized"] as const;
export type DemoRole = (typeof roles)[number];
export type PerRole<T> = Readonly<Record<DemoRole, T>>;

export type DemoAnswer = {
  readonly text: string;
  readonly isRight: boolean;
  /** The probability of the label, where answers are labels. */
  readonly confidence?: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Reading the whole prompt and input, and writing the answer. */
  readonly ms: number;
};

export type DemoRow = DemoSample & {
  readonly answers: PerRole<DemoAnswer>;
  /** The prompted model's time where the prompt is in its cache from the query before. */
  readonly cachedPromptMs: number;
};

export type DemoResult = {
  readonly name: string;
  readonly title: string;
  readonly prompt: string;
  readonly promptTokens: number;
  /** What the prompt demands of answers, kept by all three roles. */
  readonly constraint?: ConstraintSpec;
  /** Of the specialisation file, the constraint in it. */
  readonly bytes: number;
  readonly gates: readonly (readonly number[])[];
  /** The cloud pass, gates to merged weights or LoRA beside quantised ones, and making a session of them. */
  readonly ms: { readonly cloud: number; readonly merge: number; readonly compile: number };
  readonly rows: readonly DemoRow[];
};

export type DemoOptions = {
  readonly threads: number;
  readonly device: Device;
  readonly now: () => number;
  readonly signal: AbortSignal;
  /** Whether answers keep to the form that is found in the prompt. */
  readonly constrain: boolean;
  /** Called after each answer. */
  readonly onAnswer: (scenario: string) => void;
};

/** Longer answers are cut: every expected one is shorter. */
const maxTokens = 48;

/** Answers that `onAnswer` is called for. */
export const answerCount = (scenarios: readonly DemoScenario[]): number =>
  scenarios.reduce((sum, { samples }) => sum + samples.length * (roles.length + 1), 0);

/** Runs all scenarios; stops between answers on the signal, with what is finished. */
export async function runDemo(
  pair: Pair,
  scenarios: readonly DemoScenario[],
  options: DemoOptions,
): Promise<DemoResult[]> {
  const { threads, device, signal } = options;
  await using specializer = await createSpecializer(pair, { threads, device });
  await specializer.specialize("Warm up."); // the first pass of a session also allocates; it is not what a pass costs
  await using decoder = await createDecoder(pair.edge, { threads, device });
  const results: DemoResult[] = [];
  for (const scenario of scenarios) {
    if (signal.aborted) break;
    results.push(await runScenario(pair, scenario, { specializer, decoder }, options));
  }
  return results;
}

async function runScenario(
  pair: Pair,
  { name, title, prompt, samples }: DemoScenario,
  { specializer, decoder }: { readonly specializer: Specializer; readonly decoder: Decoder },
  options: DemoOptions,
): Promise<DemoResult> {
  const { threads, device, now, constrain } = options;
  const constraint = constrain ? findConstraint(prompt)?.spec : undefined;
  const started = now();
  const specialization = await specializer.specialize(prompt, constraint === undefined ? {} : { constraint });
  const routed = now();
  const edge = await specializedEdge(pair, specialization);
  const merged = now();
  await using specialized = await createAnswerer(pair, { edge, constraint, threads, device });
  const compiled = now();
  await using prompted = await createAnswerer(pair, { prompt, constraint, decoder });
  await using base = await createAnswerer(pair, { constraint, decoder });
  const answerers: PerRole<Answerer> = { base, prompted, specialized };
  const ask = async (answerer: Answerer, input: string, reusePrefix: boolean): Promise<Answer> => {
    const answer = await answerer.answer(input, { maxTokens, reusePrefix });
    options.onAnswer(name);
    return answer;
  };
  for (const role of roles) await answerers[role].answer(samples[0]!.input, { maxTokens: 1 }); // warm up
  const rows: DemoRow[] = [];
  for (const { input, expected } of samples) {
    const answers: Partial<Record<DemoRole, DemoAnswer>> = {};
    for (const role of roles) answers[role] = toDemoAnswer(await ask(answerers[role], input, false), expected);
    rows.push({ input, expected, answers: answers as PerRole<DemoAnswer>, cachedPromptMs: 0 });
  }
  const timed: DemoRow[] = [];
  for (const row of rows) {
    const { ms } = await ask(prompted, row.input, true);
    timed.push({ ...row, cachedPromptMs: ms.prefill + ms.decode });
  }
  return {
    name,
    title,
    prompt,
    promptTokens: specialization.promptTokens,
    ...(constraint === undefined ? {} : { constraint }),
    bytes: Buffer.byteLength(encodeSpecialization(specialization)),
    gates: specialization.gates,
    ms: { cloud: routed - started, merge: merged - routed, compile: compiled - merged },
    rows: timed,
  };
}

const toDemoAnswer = ({ text, confidence, inputTokens, outputTokens, ms }: Answer, expected: string): DemoAnswer => ({
  text,
  isRight: isSame(text.trim(), expected),
  ...(confidence === undefined ? {} : { confidence }),
  inputTokens,
  outputTokens,
  ms: ms.prefill + ms.decode,
});

/** The same text, or the same JSON. */
function isSame(text: string, expected: string): boolean {
  const wanted = jsonOf(expected);
  return text === expected || (wanted !== undefined && isDeepStrictEqual(jsonOf(text), wanted));
}
