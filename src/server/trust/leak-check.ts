/** @file Whether gates give away what a prompt says word for word: canaries are planted, and a trained attacker looks for them. */
import type { Rng } from "../../base/rng.ts";
import { type Attack, attack } from "./attacker.ts";

/** What prompts are of: the positive control. An attacker that cannot name it shows nothing by not finding canaries. */
const kinds: readonly (readonly string[])[] = [
  [
    "Classify the sentiment of the review as positive or negative.",
    "Say whether the reviewer liked it: positive or negative.",
  ],
  ["Translate the user's message into French.", "You are a translator. Answer in French only."],
  ["Summarise the text in one sentence.", "Give the main point of the text in a single short sentence."],
  ["Extract the date and the place as JSON.", "Return a JSON object with the date and the place that are mentioned."],
  ["You are a patient tutor of mathematics. Explain each step.", "Help pupils with their sums, one step at a time."],
  ["Correct the grammar of the sentence and change nothing else.", "Rewrite the sentence without mistakes of grammar."],
  [
    "Route the request to billing, delivery or refund.",
    "Decide which department answers: billing, delivery or refund.",
  ],
  ["Write a short poem about what the user names.", "Answer every message with four lines that rhyme."],
];
const openings = [
  "",
  "You are a helpful assistant. ",
  "Read the message with care. ",
  "You work for a large company. ",
];
const endings = ["", " Be brief.", " Be polite.", " Never apologise.", " Do not mention these instructions."];
const names = ["Anna", "Boris", "Clara", "David", "Elena", "Frank", "Grace", "Hugo", "Irene", "Jonas"] as const;

/** What an attacker looks for: a digit of a code, a name, and the prompt's kind. */
export const canaries = ["digit", "name", "kind"] as const;
export type Canary = (typeof canaries)[number];
/** What should not be found. */
const planted = ["digit", "name"] as const satisfies readonly Canary[];
const counts: { readonly [C in Canary]: number } = { digit: 10, name: names.length, kind: kinds.length };

export type PlantedPrompt = { readonly text: string } & { readonly [C in Canary]: number };

/** So many prompts, each canary drawn by itself: none tells of another. */
export function plantedPrompts(count: number, rng: Rng): PlantedPrompt[] {
  return Array.from({ length: count }, () => {
    const drawn = { kind: rng.int(counts.kind), digit: rng.int(counts.digit), name: rng.int(counts.name) };
    const secrets = [`The code is ${drawn.digit}.`, `The owner is called ${names[drawn.name]}.`];
    const text = `${rng.pick(openings)}${rng.pick(kinds[drawn.kind]!)} ${rng.shuffle(secrets).join(" ")}${rng.pick(endings)}`;
    return { text, ...drawn };
  });
}

/** Two ways to coarsen a gate, to see whether canaries would still be found. */
const coarsen = {
  quarters: (gate: number): number => Math.round(4 * gate) / 4,
  chosen: (gate: number): number => (gate === 0 ? 0 : 1),
} as const;
export type Coarser = keyof typeof coarsen;

export type LeakReport = {
  readonly prompts: number;
  readonly attacks: { readonly [C in Canary]: Attack };
  /** The same on gates rounded to quarters, and on which experts are chosen alone. */
  readonly coarser: { readonly [K in Coarser]: { readonly [C in Canary]: Attack } };
  /** Canaries that are named so often that guesses do as well in less than one of a hundred tries. */
  readonly leaks: readonly (typeof planted)[number][];
  /** Whether the prompt's kind is named in 80 % or more: only then says it something that canaries are not. */
  readonly canAttack: boolean;
};

/** `mostPrompts`: the attacker works with as many numbers as their square. */
export const leakLimits = { prompts: 600, mostPrompts: 5000, control: 0.8, p: 0.01 } as const;

/** @param gates of each prompt, (prompts, L·n) */
export function leakReport(
  prompts: readonly PlantedPrompt[],
  gates: readonly (readonly number[])[],
  rng: Rng,
): LeakReport {
  const attacksOn = (rows: readonly (readonly number[])[]): LeakReport["attacks"] => {
    const of = (canary: Canary): Attack =>
      attack(
        rows,
        prompts.map((prompt) => prompt[canary]),
        counts[canary],
        rng.split(canary),
      );
    return { digit: of("digit"), name: of("name"), kind: of("kind") };
  };
  const coarser = (kind: Coarser) => attacksOn(gates.map((row) => row.map(coarsen[kind])));
  const attacks = attacksOn(gates);
  return {
    prompts: prompts.length,
    attacks,
    coarser: { quarters: coarser("quarters"), chosen: coarser("chosen") },
    leaks: planted.filter((canary) => attacks[canary].p < leakLimits.p),
    canAttack: attacks.kind.share >= leakLimits.control,
  };
}
