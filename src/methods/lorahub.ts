/**
 * @file LoraHub (Huang et al. 2023): a pool of LoRAs of other tasks, mixed as a few labelled examples say. Factors are mixed, A = Σ w_i A_i and
 * B = Σ w_i B_i; weights are searched for without gradients, by the loss on the examples and 0.05 · mean |w_i|.
 */
import { AppError } from "../base/errors.ts";
import { type FactorPool, mixed, stacked, steered } from "../dispatch/factor-pool.ts";
import { openLoras } from "../dispatch/skill-pool-file.ts";
import { encodeQuery } from "../eval/ask.ts";
import { createTeacherForcing } from "../eval/teacher-forcing.ts";
import { applyAdapter } from "../models/apply-adapter.ts";
import { searchLoop } from "../train/search-loop.ts";
import { readingCounter } from "./flops.ts";
import type { Method, Preparing, Subject, Task } from "./method.ts";
import { refusesExamples, shots } from "./shots.ts";

/** Of the published code: the weight of the L1 norm, and the bounds of a LoRA's weight. The search is ours. */
const l1Share = 0.05;
const bounds = [-1.5, 1.5] as const;
const search = { population: 10, elites: 3, generations: 6, firstDeviation: 0.5, seed: 1 } as const;

/** `folder`: LoRAs, each under its name. */
export const lorahub = (folder: string, count: number): Method => ({
  summary: "LoraHub: the LoRAs in FOLDER mixed as N examples say, searched for without gradients; input alone",
  needs: { training: "once", beside: "nothing" },
  refuses: (_, task) => refusesExamples(task, count),
  async prepare(subject, task, how) {
    const from = performance.now();
    const { adapter: other, ...plain } = subject.model;
    if (other !== undefined) throw new AppError("E_MISMATCH", `${folder}: the model has an adapter already`);
    const adapters = await openLoras(folder, plain);
    const pool = stacked(folder, adapters);
    const { weights, flops } = await findWeights(subject, pool, { ...task, examples: [...shots(task, count)] }, how);
    const model = await applyAdapter(plain, mixed(pool, weights));
    const bytes = [...pool.maps.values()].reduce((sum, { a, b }) => sum + a.byteLength + b.byteLength, 0);
    return { model, cost: { seconds: (performance.now() - from) / 1000, flops, bytes, examples: count } };
  },
});

export type FoundWeights = { readonly weights: readonly number[]; readonly loss: number; readonly flops: number };

/** Searches for weights by a task's examples. Throws E_NAN where no candidate has a finite loss, E_INTERRUPTED, and E_LIMIT for a long example. */
export async function findWeights(
  subject: Subject,
  pool: FactorPool,
  { examples, layout }: Pick<Task, "examples" | "layout">,
  { threads = 0, device = "cpu", signal }: Preparing = {},
): Promise<FoundWeights> {
  const { change, weights } = steered(pool);
  const queries = examples.map((example) => {
    const choices = layout === undefined ? undefined : [example.target]; // in plain text it stands where choices do
    return encodeQuery(subject, example, { choices, context: undefined, textLayout: layout });
  });
  const answerTokens = queries.reduce((sum, { answers }) => sum + answers[0]!.length, 0);
  await using forcing = await createTeacherForcing(subject.model, { threads, device, change, greedy: false });
  const lossOf = async (candidate: readonly number[]): Promise<number> => {
    weights.set(candidate);
    let sum = 0;
    for await (const { answers } of forcing.run(queries, signal)) sum -= answers[0]!.logLikelihood;
    return sum / answerTokens + (l1Share / candidate.length) * candidate.reduce((total, w) => total + Math.abs(w), 0);
  };
  const zero = new Array<number>(pool.names.length).fill(0);
  const { best } = await searchLoop({
    ...search,
    bounds,
    keepsBest: true,
    first: [zero, zero.map(() => 1 / zero.length)],
    start: { mean: zero, deviation: zero.map(() => search.firstDeviation) },
    score: async (candidate) => -(await lossOf(candidate)),
  });
  const flopsOf = readingCounter({ model: subject.model, change });
  const read = queries.map(({ prompt, answers }) => prompt.length + answers[0]!.length);
  const once = read.reduce((sum, tokens) => sum + flopsOf(tokens), 0);
  return { weights: best.candidate, loss: -best.score, flops: search.population * search.generations * once };
}
