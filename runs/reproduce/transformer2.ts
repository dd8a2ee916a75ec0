/** @file The manifest's items of Transformer². */
import { manySkillsPage } from "./pages/rv-19.ts";
import { table1Page, table2Page, table7Page } from "./pages/t2-accuracy.ts";
import { curvesPage, stabilityPage } from "./pages/t2-curves.ts";
import { generationsPage, mapsPage, randomPage, sameShotsPage, shotsPage } from "./pages/t2-few-shot.ts";
import { forgettingPage } from "./pages/t2-forgetting.ts";
import { loraSweepPage, ranksPage, table4Page } from "./pages/t2-sweeps.ts";
import { transferPage } from "./pages/t2-transfer.ts";
import { classificationPage, mixtureOfLorasPage, secondPassPage, timesPage } from "./pages/t2-two-passes.ts";
import { written } from "./pages/text.ts";
import type { Context, Page, Row } from "./row.ts";

/** Trainings that several items share (`runs/transformer2`); what is not there yet comes first. */
const trains = {
  V: "trains skills by rewards first (five, and the classifier)",
  W: "trains LoRA, IA³, DoRA and SVF on answers first (two skills, two rates)",
  R: "trains a LoRA by rewards first (two skills, two rates)",
} as const;
const first = (...names: readonly (keyof typeof trains)[]): string => names.map((name) => trains[name]).join("; ");

const manifest = "runs/reproduce/manifest.test.ts";
const page = (shows: string, source: string, takes: string, make: (context: Context) => Promise<Page>) => ({
  kind: "page" as const,
  shows,
  source,
  takes,
  make,
});
const alias = (of: string, shows: string): Row => ({ kind: "alias", of, shows, source: "S3" });
const out = (shows: string, because: string): Row => ({ kind: "out", shows, source: "S3", because });
const test = (shows: string, files: readonly string[], titled?: string): Row => ({
  kind: "test",
  shows,
  source: "S3",
  files,
  ...(titled === undefined ? {} : { titled }),
});

export const transformer2 = {
  "t2-table1": page("own-task accuracy: base, LoRA, SVF", "S3 T1", `${first("V", "W")}; then 0.4 h`, table1Page),
  "t2-table2": page(
    "unseen tasks: prompt, classifier, few-shot dispatch",
    "S3 T2",
    `${first("V", "W")}; then 0.8 h`,
    table2Page,
  ),
  "t2-table3": page("first and second pass seconds", "S3 T3", `${first("V")}; then 0.1 h`, timesPage),
  "t2-table4": page(
    "ablation: attention, MLP, both; policy gradient, next token; SVF, LoRA",
    "S3 T4",
    `${first("V", "W", "R")}, and other maps; then minutes`,
    table4Page,
  ),
  "t2-table6-lora": page(
    "LoRA sweep: learning rate, rank, scale, targets printed",
    "S3 T6",
    `${first("W", "R")}; then 0.2 h`,
    loraSweepPage,
  ),
  "t2-table6-shots": page(
    "few-shot dispatch with 3, 5, 10, 20 shots",
    "S3 T6, T8",
    `${first("V")}; then 0.7 h`,
    shotsPage,
  ),
  "t2-table7": page("IA³ and DoRA beside LoRA and SVF", "S3 T7", `${first("V", "W")}; then 0.2 h`, table7Page),
  "t2-table8": page(
    "IA³ trained on the same shots, 100 and 1,000 steps",
    "S3 T8",
    `${first("V")}, and IA³ on 3, 5, 10 and 20 shots; searches of t2-table6-shots`,
    sameShotsPage,
  ),
  "t2-fig4": page(
    "learning curves, chosen checkpoint marked",
    "S3 Fig 4",
    `${first("V", "W")}; then 0.1 h`,
    curvesPage,
  ),
  "t2-fig7": page("maps of α by task", "S3 Fig 7", `${first("V")}; then 0.5 h`, mapsPage),
  "t2-fig10-11": page(
    "rank-limited SVF, r 16, 64, 256",
    "S3 Figs 10, 11",
    `${first("V")}, and three limited ranks; then minutes`,
    ranksPage,
  ),
  "t2-app-d": page(
    "CEM score by generation",
    "S3 App. D",
    `${first("V")}; searches of t2-fig7 and t2-table6-shots`,
    generationsPage,
  ),
  "t2-uniform": alias("t2-table2", "uniform α"),
  "t2-random-shooting": page(
    "random search with as many evaluations as CEM",
    "public code",
    `${first("V")}; then 0.3 h`,
    randomPage,
  ),
  "t2-second-pass": page(
    "LoRA or IA³ experts in the second pass",
    "S3",
    `${first("V", "W")}; then 0.2 h`,
    secondPassPage,
  ),
  "t2-mixture-of-loras": page(
    "mixture of LoRAs as baseline; one space of LoRAs and skills",
    "S3",
    `${first("V", "W")}; then 0.6 h`,
    mixtureOfLorasPage,
  ),
  "t2-other-peft": out(
    "prefix and prompt tuning, BOFT, PiSSA, LoRA+, rsLoRA, LoRA-GA, EVA",
    "only suggested by reviewers, and over budget",
  ),
  "t2-stability": page("SVF steady under RL, LoRA not", "S3", `${first("V", "R")}; then seconds`, stabilityPage),
  "t2-forgetting": page("what a skill costs the others", "S3", `${first("V", "W")}; then 0.2 h`, forgettingPage),
  "t2-params": test("parameters: min(m, n) against (m + n)·r", [manifest], "t2-params:"),
  "t2-svf": test("full decomposition, z = 1 is the base", [
    "src/svf/svd.test.ts",
    "src/svf/gradient.test.ts",
    "src/svf/expert.test.ts",
  ]),
  "t2-objective": test("reward ±1, REINFORCE, KL", [
    "test/parity/svf.test.ts",
    "src/train/policy-step.test.ts",
    "src/train/recipes/reinforce.test.ts",
    "src/nn/loss.test.ts",
  ]),
  "t2-search": test("CEM finds a known optimum; ties", [
    "src/train/search-loop.test.ts",
    "src/optim/search.test.ts",
    "src/dispatch/skill-pool.test.ts",
  ]),
  "t2-hygiene": test("five faults of the public code not copied", [
    "src/methods/skills.test.ts",
    "src/eval/tasks/tasks.test.ts",
    "runs/reproduce/skills/untested.test.ts",
    "runs/transformer2/draw.test.ts",
  ]),
  "t2-one-model": test("one model, several vectors, swapped per sample", [
    "src/dispatch/skill-pool.test.ts",
    "src/models/apply-expert.test.ts",
  ]),
  "t2-cls": page(
    "classification accuracy: prompt against classifier expert",
    "S3",
    `${first("V")}; then 0.2 h`,
    classificationPage,
  ),
  "t2-transfer": {
    ...page(
      "z of one model on another; order and shuffled control",
      "S3",
      `${first("V", "W")}; then 0.4 h, and the second model is decomposed`,
      transferPage,
    ),
    lacks: "shares found anew on the other model",
  },
  "t2-large": out("70 B and Mistral rows", "too large for two cores, and the documents give no figures"),
  "t2-vqa": out("vectors in a vision-language model", "no vision model and no image data here"),
  "t2-merged-base": test("merged models as base", ["src/train/recipes/svf.test.ts"], "merged base:"),
  "t2-interaction": {
    kind: "page",
    shows: "how the parts fit; limits stated",
    source: "S3",
    takes: "seconds",
    make: written("t2-interaction"),
  },
  "rv-13": alias("t2-table6-lora", "well-tuned LoRA, IA³, DoRA; rank and targets"),
  "rv-14": alias("t2-table8", "equal test-time compute: tune on the same shots"),
  "rv-15": alias("t2-table3", "pass times by task"),
  "rv-16": alias("t2-table4", "SVF supervised, others by RL, others in second pass"),
  "rv-17": alias("t2-app-d", "uniform weights; generations against score"),
  "rv-18": alias("t2-fig4", "cost of RL and of rewards; overfitting curves"),
  "rv-19": page(
    "many experts: search cost",
    "S3",
    `${first("V", "W")}, and other ranks and seeds; then 0.1 h`,
    manySkillsPage,
  ),
  "rv-20": {
    kind: "page",
    shows: '"self-adaptive" claimed with care',
    source: "S3",
    takes: "seconds",
    make: written("rv-20"),
  },
  "t2-data-reasoning": test(
    "GSM8K 7,473/1,319, MATH 5,000 (no train), ARC-e, ARC-c; base scores: t2-table1",
    [manifest],
    "t2-data-reasoning:",
  ),
  "t2-data-code": test(
    "MBPP 474/500, HumanEval 164, run in a sandbox; base scores: t2-table1 --allow-code",
    [manifest],
    "t2-data-code:",
  ),
} as const satisfies Readonly<Record<string, Row>>;
