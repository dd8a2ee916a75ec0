/** @file One prompt: the rung that its certificate chooses, and the lowest that passes on inputs which the certificate never saw. */
import { atOnce } from "../../src/base/at-once.ts";
import { sha256 } from "../../src/base/hash.ts";
import { findConstraint } from "../../src/constraint/find.ts";
import { scoreLine } from "../../src/eval/scorers/table.ts";
import { mean } from "../../src/eval/statistics.ts";
import { gateValues } from "../../src/pair/gated-edge.ts";
import type { Pair } from "../../src/pair/pair-file.ts";
import { encodeSpecialization, type Specialization } from "../../src/pair/specialization-file.ts";
import type { Specializer } from "../../src/pair/specialize.ts";
import type { Side } from "../../src/server/sides.ts";
import { askParty, type Source } from "../../src/server/trust/ask-party.ts";
import { type Party, type Rung, rungs } from "../../src/server/trust/certificate.ts";
import { measure, tokensFor } from "../../src/server/trust/measure.ts";
import { refineWith } from "../../src/server/trust/refine.ts";
import { residualPrompt } from "../../src/server/trust/residual.ts";
import type { LadderPrompt } from "./ladder-prompts.ts";

export type LadderSizes = {
  /** That a certificate measures, and sets aside to refine gates on. */
  readonly inputs: number;
  readonly refine: number;
  /** That the choice is held against. */
  readonly unseen: number;
  readonly threshold: number;
};

type Shares = Partial<Record<Rung, number>>;

/** Goes up with each change of how a prompt is judged, here or in a certificate: what an older one judged is judged again. */
export const judging = 2;

export type Judged = {
  readonly name: string;
  readonly kind: LadderPrompt["kind"];
  readonly prompt: string;
  /** Whether the pair warns of the prompt. */
  readonly unlike: boolean;
  /** null: none passes. */
  readonly choice: Rung | null;
  readonly lowest: Rung | null;
  readonly agrees: boolean;
  /** Of the rungs that the certificate tried, on its inputs. */
  readonly measured: Shares;
  /** From the lowest on, up to the first that passes, or to the choice; of so many inputs as decide whether it passes on all. */
  readonly unseen: Shares;
  /** How many inputs each share of `unseen` is of. */
  readonly unseenAsked: Partial<Record<Rung, number>>;
  readonly seconds: number;
};

export type Judge = {
  readonly pair: Pair;
  readonly edge: Side;
  readonly specializer: Specializer;
  readonly threads: number;
};

const asked = { tenant: "ladder", signal: undefined } as const;
const questionsAtOnce = 32;
const sum = (scores: readonly number[]): number => scores.reduce((all, score) => all + score, 0);

/** Whether the answers so far, each of 0 or 1, decide if so many reach the threshold on average. */
export const isDecided = (scores: readonly number[], count: number, threshold: number): boolean =>
  sum(scores) / count >= threshold || (sum(scores) + count - scores.length) / count < threshold;

/** The cloud model is left out: of the shipped pair it is the edge model itself, and would answer as the rung below does. */
export async function judge(
  { pair, edge, specializer, threads }: Judge,
  given: LadderPrompt,
  sizes: LadderSizes,
): Promise<Judged> {
  const from = performance.now();
  const { prompt, examples } = given;
  const { threshold, refine } = sizes;
  const constraint = findConstraint(prompt)?.spec;
  const content = await specializer.specialize(prompt, { constraint });
  const object = sha256(encodeSpecialization(content));
  let refined: Specialization | undefined;
  const certificate = await measure(
    {
      ...{ content, object, prompt, threshold, refine, scorer: "exact", tenant: asked.tenant },
      inputs: examples.slice(0, sizes.inputs + refine),
    },
    {
      ...{ edge, pair, secret: undefined, date: () => new Date(0) },
      refine: async (...start) => {
        refined = await refineWith(pair, threads)(...start);
        return refined;
      },
    },
  );
  const choice = certificate.rung ?? null;
  const gates = gateValues(pair, content);
  const better = refined === undefined ? gates : gateValues(pair, refined);
  const residual = residualPrompt(prompt);
  const sources = new Map<Party, Source>([
    ["specialized", { side: edge, gates }],
    ...(refined === undefined ? [] : ([["refined", { side: edge, gates: better }]] as const)),
    ...(residual === undefined ? [] : ([["residual", { side: edge, gates: better, prompt: residual }]] as const)),
    ["prompted", { side: edge, prompt }],
  ]);
  const later = examples.slice(sizes.inputs + refine, sizes.inputs + refine + sizes.unseen);
  const ask = askParty({ ...asked, sources, constraint, maxTokens: tokensFor(later) });
  const unseen: Shares = {};
  const unseenAsked: Judged["unseenAsked"] = {};
  let lowest: Rung | null = null;
  for (const rung of rungs.filter((one) => sources.has(one))) {
    const scores: number[] = [];
    while (!isDecided(scores, later.length, threshold)) {
      const from = scores.length;
      await atOnce(later.slice(from, from + questionsAtOnce), questionsAtOnce, async ({ input, target }, at) => {
        const { text, finish } = await ask(rung, input);
        scores[from + at] = (await scoreLine({ target, answer: text, finish }, ["exact"])).scores["exact"]!.score;
      });
    }
    unseen[rung] = mean(scores);
    unseenAsked[rung] = scores.length;
    if (sum(scores) / later.length >= threshold) lowest = rung;
    if (lowest !== null || rung === choice) break;
  }
  const measured: Shares = {};
  for (const rung of rungs) {
    const found = certificate.parties[rung];
    if (found !== undefined) measured[rung] = found.score.mean;
  }
  const { name, kind } = given;
  return {
    ...{ name, kind, prompt, unlike: content.unlike ?? false, choice, lowest, agrees: lowest === choice },
    ...{ measured, unseen, unseenAsked, seconds: (performance.now() - from) / 1000 },
  };
}
