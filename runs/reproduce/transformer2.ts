/** @file The manifest's items of Transformer². */
import { written } from "./pages/text.ts";
import type { Row } from "./row.ts";

/** Trainings that several items share: SVF by rewards, and other adapters on answers. */
const runs = {
  V: "skills by rewards: four, a second seed and rate for two, the classifier (100 steps each, 2.5 h)",
  W: "LoRA, IA³, DoRA and SVF on answers, LoRA by rewards (two skills × two rates × 100 steps, 4.4 h)",
} as const;
const needs = (...names: readonly (keyof typeof runs)[]): string => names.map((name) => runs[name]).join("; ");

const manifest = "runs/reproduce/manifest.test.ts";
const waits = (shows: string, source: string, needed: string, takes: string): Row => ({
  kind: "waits",
  shows,
  source,
  needs: needed,
  takes,
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
  "t2-table1": waits("own-task accuracy: base, LoRA, SVF", "S3 T1", needs("V", "W"), "0.3 h"),
  "t2-table2": waits("unseen tasks: prompt, classifier, few-shot dispatch", "S3 T2", needs("V", "W"), "0.3 h"),
  "t2-table3": waits("first and second pass seconds", "S3 T3", needs("V"), "0.1 h"),
  "t2-table4": waits(
    "ablation: attention, MLP, both; policy gradient, next token; SVF, LoRA",
    "S3 T4",
    `${needs("V", "W")}; four more runs of 100 steps`,
    "1.0 h",
  ),
  "t2-table6-lora": waits("LoRA sweep: learning rate, rank, scale, targets printed", "S3 T6", needs("W"), "minutes"),
  "t2-table6-shots": waits("few-shot dispatch with 3, 5, 10, 20 shots", "S3 T6, T8", needs("V"), "0.7 h"),
  "t2-table7": waits("IA³ and DoRA beside LoRA and SVF", "S3 T7", needs("W"), "minutes"),
  "t2-table8": waits(
    "IA³ trained on the same shots, 100 and 1,000 steps",
    "S3 T8",
    "trainings of IA³ on 3, 5, 10 and 20 shots",
    "0.6 h",
  ),
  "t2-fig4": waits("learning curves, chosen checkpoint marked", "S3 Fig 4", needs("V", "W"), "minutes"),
  "t2-fig7": waits("maps of α by task", "S3 Fig 7", needs("V"), "0.2 h"),
  "t2-fig10-11": waits(
    "rank-limited SVF, r 16, 64, 256",
    "S3 Figs 10, 11",
    "three runs of one skill with limited rank",
    "0.8 h",
  ),
  "t2-app-d": waits("CEM score by generation", "S3 App. D", needs("V"), "with t2-fig7"),
  "t2-uniform": alias("t2-table2", "uniform α"),
  "t2-random-shooting": waits("random search with as many evaluations as CEM", "public code", needs("V"), "0.2 h"),
  "t2-second-pass": waits("LoRA or IA³ experts in the second pass", "S3", needs("W"), "0.1 h"),
  "t2-mixture-of-loras": waits("mixture of LoRAs as baseline", "S3", needs("W"), "0.1 h"),
  "t2-other-peft": out(
    "prefix and prompt tuning, BOFT, PiSSA, LoRA+, rsLoRA, LoRA-GA, EVA",
    "only suggested by reviewers, and over budget",
  ),
  "t2-stability": waits("SVF steady under RL, LoRA not", "S3", needs("V", "W"), "minutes"),
  "t2-forgetting": waits("what a skill costs the others", "S3", needs("V", "W"), "0.1 h"),
  "t2-params": test("parameters: min(m, n) against (m + n)·r", [manifest], "t2-params:"),
  "t2-svf": test("full decomposition, z = 1 is the base", [
    "src/svf/svd.test.ts",
    "src/svf/gradient.test.ts",
    "src/svf/expert.test.ts",
  ]),
  "t2-objective": test("reward ±1, REINFORCE, KL", ["test/parity/svf.test.ts"]),
  "t2-search": test("CEM finds a known optimum; ties", ["src/optim/search.test.ts"]),
  "t2-hygiene": test("five faults of the public code not copied", [
    "src/methods/skills.test.ts",
    "src/eval/tasks/tasks.test.ts",
  ]),
  "t2-one-model": test("one model, several vectors, swapped per sample", [
    "src/dispatch/skill-pool.test.ts",
    "src/models/apply-expert.test.ts",
  ]),
  "t2-cls": waits("classification accuracy: prompt against classifier expert", "S3", needs("V"), "0.1 h"),
  "t2-transfer": waits(
    "z of one model on another; order and shuffled control",
    "S3",
    `${needs("V")}; a second model of the same shape`,
    "0.3 h",
  ),
  "t2-large": out("70 B and Mistral rows", "too large for two cores, and the documents give no figures"),
  "t2-vqa": out("vectors in a vision-language model", "no vision model and no image data here"),
  "t2-merged-base": waits(
    "merged models as base",
    "S3",
    "its test: a merged folder decomposes and makes one step",
    "seconds",
  ),
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
  "rv-19": waits("many experts: search cost", "S3", needs("V"), "0.1 h"),
  "rv-20": {
    kind: "page",
    shows: '"self-adaptive" claimed with care',
    source: "S3",
    takes: "seconds",
    make: written("rv-20"),
  },
  "t2-data-reasoning": test("GSM8K 7,473/1,319, MATH 5,000 (no train), ARC-e, ARC-c", [manifest], "t2-data-reasoning:"),
  "t2-data-code": test("MBPP 474/500, HumanEval 164, run in a sandbox", [manifest], "t2-data-code:"),
} as const satisfies Readonly<Record<string, Row>>;
