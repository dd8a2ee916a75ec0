/** @file `find-constraint`: how often the closed set that a prompt states is found, and how often another one, on prompts by other hands. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../src/base/atomic-file.ts";
import { groupBy } from "../src/base/group-by.ts";
import { createRng } from "../src/base/rng.ts";
import { findConstraint } from "../src/constraint/find.ts";
import type { ConstraintSpec } from "../src/constraint/spec.ts";
import { clusterBootstrap, mean } from "../src/eval/statistics.ts";
import { atMost, type Bench } from "./support/bench.ts";
import { projectRoot } from "./support/machine.ts";
import { halves, kinds, readStatedSets, type StatedSet } from "./support/stated-sets.ts";

/** The share of prompts in which a set may be found that is none of the task. */
const limit = 0.02;

type Outcome = StatedSet & {
  /** What was found, `other` for what is no list of labels. */
  readonly found?: readonly string[] | "other";
  readonly isRight: boolean;
};

export const findConstraints: Bench = {
  run: async ({ data = join(projectRoot, "..", "shared", "data"), quick, log }) => {
    const prompts = await readStatedSets(data);
    const from = performance.now();
    const outcomes = (quick ? prompts.slice(0, 1000) : prompts).map(judged);
    const perPrompt = (performance.now() - from) / outcomes.length;
    const rows = halves.flatMap((half) => kinds.map((kind) => ({ half, kind, ...summary(outcomes, half, kind) })));
    log(table(rows));
    await showFirstHalf(outcomes, log);
    return {
      configuration: { rows },
      raw: {},
      medians: { "milliseconds of a prompt, mean": perPrompt },
      ratios: {},
      checks: halves.map((half) => {
        const all = outcomes.filter((one) => one.half === half);
        return atMost(`${half}: other sets found, of all prompts`, share(all, isFalse), limit);
      }),
    };
  },
};

function judged(prompt: StatedSet): Outcome {
  const constraint = findConstraint(prompt.prompt);
  if (constraint === undefined) return { ...prompt, isRight: false };
  const found = labelsOf(constraint.spec);
  return { ...prompt, found, isRight: found !== "other" && isSame(found, prompt.labels ?? []) };
}

/** The labels of an answer, also where it is JSON with one place for them. */
function labelsOf(spec: ConstraintSpec): readonly string[] | "other" {
  if (spec.kind === "labels") return spec.labels;
  if (spec.kind !== "schema") return "other";
  const { properties } = spec.schema as { properties?: Readonly<Record<string, { enum?: readonly string[] }>> };
  const [only, ...others] = Object.values(properties ?? {});
  return others.length === 0 ? (only?.enum ?? "other") : "other";
}

const isSame = (found: readonly string[], labels: readonly string[]): boolean => {
  const key = (all: readonly string[]) => JSON.stringify(all.map((label) => label.toLowerCase()).sort());
  return key(found) === key(labels);
};

/** Found, but not the task's own set; of a task with many answers, not even all of them. */
const isFalse = ({ found, isRight, labels, answers }: Outcome): boolean =>
  found !== undefined && !isRight && !(labels === undefined && found !== "other" && holdsAll(found, answers));
const isMissed = ({ found, isStated }: Outcome): boolean => isStated && found === undefined;
const share = (all: readonly Outcome[], holds: (one: Outcome) => boolean): number =>
  all.length === 0 ? 0 : all.filter(holds).length / all.length;

function holdsAll(found: readonly string[], answers: readonly string[]): boolean {
  const known = new Set(found.map((label) => label.toLowerCase()));
  return answers.length > 0 && answers.every((answer) => known.has(answer.toLowerCase()));
}

type Share = {
  readonly n: number;
  readonly count: number;
  readonly families: number;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
};

function summary(outcomes: readonly Outcome[], half: Outcome["half"], kind: Outcome["kind"]) {
  const all = outcomes.filter((one) => one.half === half && one.kind === kind);
  return {
    tasks: new Set(all.map(({ task }) => task)).size,
    found: shareOf(
      all.filter(({ isStated }) => isStated),
      ({ isRight }) => isRight,
    ),
    falsely: shareOf(all, isFalse),
  };
}

/** Of the prompts; and its mean over families with a 95 % interval, for those whose prompts are alike. */
function shareOf(all: readonly Outcome[], holds: (one: Outcome) => boolean): Share {
  const clusters = [...groupBy(all, ({ family }) => family).values()].map((ones) => [
    ones.map((one) => Number(holds(one))),
  ]);
  const counts = { n: all.length, count: all.filter(holds).length, families: clusters.length };
  if (clusters.length === 0) return { ...counts, mean: 0, low: 0, high: 0 };
  const interval = clusterBootstrap(clusters, ([value]) => value!, {
    rng: createRng("find-constraint"),
    resamples: 500,
  });
  return { ...counts, mean: mean(clusters.map(([values]) => mean(values!))), ...interval };
}

type Row = ReturnType<typeof summary> & Pick<Outcome, "half" | "kind">;

function table(rows: readonly Row[]): string {
  const percent = (value: number) => (100 * value).toFixed(1);
  const cells = ({ n, count, families, ...by }: Share) =>
    n === 0
      ? "– | –"
      : `${count} of ${n} (${percent(count / n)} %) | ${percent(by.mean)} % (${percent(by.low)} to ${percent(by.high)}; ${families})`;
  return [
    "| half | prompts | tasks | set found where it is stated | mean over families (95 %; families) | another set found | mean over families |",
    "|---|---|--:|--:|--:|--:|--:|",
    ...rows.map(
      ({ half, kind, tasks, found, falsely }) =>
        `| ${half} | ${kind} | ${tasks} | ${cells(found)} | ${cells(falsely)} |`,
    ),
  ].join("\n");
}

/** What was missed and what was found falsely in the half to look at, a line each. */
async function showFirstHalf(outcomes: readonly Outcome[], log: (line: string) => void): Promise<void> {
  const path = join(projectRoot, "work", "find-constraint", "to-look-at.jsonl");
  const shown = outcomes.filter((one) => one.half === halves[0] && (isFalse(one) || isMissed(one)));
  await mkdir(join(path, ".."), { recursive: true });
  await writeFileAtomic(path, shown.map(({ answers: _, ...one }) => `${JSON.stringify(one)}\n`).join(""));
  log(`${shown.length} missed or false, of the half to look at: ${path}`);
}
