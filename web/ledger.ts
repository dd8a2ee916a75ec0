/** @file What questions cost with the prompt and without: means over those asked, what a certificate measured, and when the cloud pass is paid back. */
import type { ShownCertificate } from "./api.ts";

export const askers = ["base", "prompted", "specialized"] as const;
export type Asker = (typeof askers)[number];

export type Cost = { readonly tokens: number; readonly ms: number };
/** One question, asked of each of them alone. */
export type Question = {
  /** Of which specialisation, and beside which prompt. */
  readonly object: string;
  readonly prompt: string;
  readonly costs: Readonly<Record<Asker, Cost>>;
};
/** Of a question, on average; null where no time was measured. */
export type Costs = {
  readonly questions: number;
  readonly costs: Readonly<Partial<Record<Asker, { readonly tokens: number; readonly ms: number | null }>>>;
};

/** Undefined where none was asked. */
export function meanCosts(questions: readonly Question[]): Costs | undefined {
  if (questions.length === 0) return undefined;
  const mean = (value: (question: Question) => number): number =>
    questions.reduce((sum, question) => sum + value(question), 0) / questions.length;
  const of = (asker: Asker) => ({
    tokens: mean(({ costs }) => costs[asker].tokens),
    ms: mean(({ costs }) => costs[asker].ms),
  });
  return {
    questions: questions.length,
    costs: { base: of("base"), prompted: of("prompted"), specialized: of("specialized") },
  };
}

/** What a certificate measured; the specialised one is whoever answers for the name. */
export function certifiedCosts({ parties, inputs, answers }: ShownCertificate): Costs {
  const answering = parties[answers] ?? parties.specialized;
  const found = { base: parties.base, prompted: parties.prompted, specialized: answering };
  const costs = askers.flatMap((asker) => {
    const result = found[asker];
    return result === undefined ? [] : [[asker, { tokens: result.inputTokens, ms: result.ms }]];
  });
  return { questions: inputs, costs: Object.fromEntries(costs) as Costs["costs"] };
}

/** After how many questions the cloud pass is paid back; undefined: not after any number of them. */
export function breakEven(cloudMs: number, promptedMs: number, specializedMs: number): number | undefined {
  return promptedMs > specializedMs ? Math.ceil(cloudMs / (promptedMs - specializedMs)) : undefined;
}
