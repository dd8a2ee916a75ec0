/** @file The manifest's items of LoRA-Gen. */
import {
  bnDiversityPage,
  table4Page,
  table5Page,
  table7Page,
  table8Page,
  table19Page,
  table22Page,
} from "./pages/ablations.ts";
import { fewshotSdPage, table2Page, table6Page, table26Page } from "./pages/accuracy.ts";
import { alpacaAbstractionPage } from "./pages/alpaca-abstraction.ts";
import { baselinesPage, figure1Page, table13Page, table20Page } from "./pages/baselines.ts";
import { table21Page, table24Page } from "./pages/bootstrap.ts";
import { figure4Page } from "./pages/fig4.ts";
import { figure2Page, figure3Page } from "./pages/figures.ts";
import { gpt4toolsContextPage } from "./pages/gpt4tools-context.ts";
import { headlinesPage } from "./pages/headlines.ts";
import { knowledgeTransferPage } from "./pages/knowledge-transfer.ts";
import { parityPage } from "./pages/parity-lm-eval.ts";
import { promptKindsPage } from "./pages/prompt-kinds.ts";
import { generalPromptPage } from "./pages/rv-6.ts";
import { edgePage } from "./pages/rv-12.ts";
import { cpuLatencyPage } from "./pages/s0-table23.ts";
import { table1Page } from "./pages/table1.ts";
import { gpt4toolsRepeatsPage, table3Page } from "./pages/table3.ts";
import { table10Page } from "./pages/table10.ts";
import { table12Page } from "./pages/table12.ts";
import { table14Page } from "./pages/table14.ts";
import { s1SheetPage, termsPage, written } from "./pages/text.ts";
import type { Row } from "./row.ts";

/** Trainings that several items share, on SmolLM2-135M: steps × seeds as ablations train them with `--budget hours`, and hours of two quiet cores. */
const runs = {
  G0: "the generator in the paper's configuration (75 steps × 3 seeds, 0.4 h)",
  GA: "the same without a balance loss (75 × 3, 0.4 h)",
  GG: "the same with Gumbel's router (75 × 3, 0.4 h)",
  GD: "the direct generator (75 × 3, 0.4 h)",
  GS: "short generators: experts, coefficients, no BatchNorm, abstracted instructions (75 × 1 each, 1.2 h)",
  GX: "short generators: kept experts, rank, a pool or a router per layer (75 × 1 each, 0.7 h)",
  B: "LoRA over all seen tasks, LoRAMoE, MixLoRA (75 steps each, 0.6 h)",
  P: "soft compressors: gist, AutoCompressors, ICAE and 500x (75 steps each, 0.8 h)",
  H: "per-task LoRAs for LoraHub, prefix tuning (50 steps each, 0.3 h)",
} as const;

const needs = (...names: readonly (keyof typeof runs)[]): string => names.map((name) => runs[name]).join("; ");

/** Of pages that have other rows too: what is not there yet comes first, unless nothing is to be trained. */
const first = (...names: readonly (keyof typeof runs)[]): string => `trains ${names.join(", ")} (runs/reasoning) first`;

const manifest = "runs/reproduce/manifest.test.ts";
const conformance = "test/parity/conformance.test.ts";

/** A row that a test counts in the data. */
const data = (id: string, shows: string): Row => ({
  kind: "test",
  shows,
  source: "S2 T11",
  files: [manifest],
  titled: `${id}:`,
});
const alias = (of: string, shows: string, source = "S0"): Row => ({ kind: "alias", of, shows, source });

export const loraGen = {
  table1: {
    kind: "page",
    shows: "four properties of ICL, LoRA, LoRA-MoE, LoraHub, LoRA-Gen",
    source: "S2 T1",
    takes: `${first("G0", "B", "H")}; then 0.1 h`,
    make: table1Page,
  },
  table2: {
    kind: "page",
    shows: "5-shot accuracy on eight tasks, AVE, HAR, latency; five methods",
    source: "S2 T2",
    takes: `${first("G0", "B", "P")}; then 1 h`,
    make: table2Page,
  },
  table3: {
    kind: "page",
    shows: "GPT4Tools: five metrics, average, compression ratio",
    source: "S2 T3",
    takes: "1.5 h (200 items)",
    lacks: "rows 2, 3 and 5 are out: the training set of 71k cannot be had",
    make: table3Page,
  },
  table4: {
    kind: "trains",
    shows: "experts 4, 8, 12: AVE, HAR on six tasks",
    source: "S2 T4",
    needs: needs("GS", "GX"),
    takes: "0.3 h",
    make: table4Page,
  },
  table5: {
    kind: "trains",
    shows: "balance coefficient 0.1, 0.01, 0.005: AVE, HAR",
    source: "S2 T5",
    needs: needs("GS", "GA", "G0"),
    takes: "0.2 h",
    make: table5Page,
  },
  table6: {
    kind: "page",
    shows: "base with 3 and 5 shots against LoRA-Gen with 1",
    source: "S2 T6",
    takes: `${first("G0")}; then 0.1 h`,
    make: table6Page,
  },
  table7: {
    kind: "trains",
    shows: "Gumbel top-k against KeepTop-K router",
    source: "S2 T7",
    needs: needs("GG", "G0"),
    takes: "0.2 h",
    make: table7Page,
  },
  table8: {
    kind: "trains",
    shows: "direct against indirect generation, seen and unseen mean",
    source: "S2 T8",
    needs: needs("GD", "G0"),
    takes: "0.2 h",
    make: table8Page,
  },
  table9: {
    kind: "test",
    shows: "training hyper-parameters",
    source: "S2 T9, S1",
    files: ["runs/paper/paper.test.ts"],
    titled: "table9:",
  },
  table10: {
    kind: "page",
    shows: "standard error of each task and model",
    source: "S2 T10",
    takes: "seconds; ours from table2's log",
    make: table10Page,
  },
  table11: {
    kind: "test",
    shows: "rows of each train and test set",
    source: "S2 T11, S1",
    files: [manifest],
    titled: "table11:",
  },
  table12: {
    kind: "page",
    shows: "FLOPs, memory, latency; training and inference; four methods",
    source: "S2 T12",
    takes: "0.2 h",
    lacks: "training, memory and latency were not run",
    make: table12Page,
  },
  table13: {
    kind: "page",
    shows: "AutoCompressors against LoRA-Gen, three unseen tasks",
    source: "S2 T13",
    takes: `${first("G0", "P")}; then with s0-table20`,
    make: table13Page,
  },
  table14: {
    kind: "page",
    shows: "poet role: prompt and both answers",
    source: "S2 T14",
    takes: "minutes",
    make: table14Page,
  },
  "table15-17": {
    kind: "test",
    shows: "tool definitions of the agent demo",
    source: "S2 T15–T17",
    files: [manifest],
    titled: "table15-17:",
  },
  fig1: {
    kind: "page",
    shows: "accuracy–latency curves on ARC-c, 1, 3, 5 shots",
    source: "S2 Fig 1",
    takes: `${first("G0", "B", "P")}; then 0.3 h`,
    make: figure1Page,
  },
  fig2: {
    kind: "page",
    shows: "three paradigms: LoRA, LoRA-MoE, LoRA-Gen",
    source: "S2 Fig 2",
    takes: "seconds",
    make: figure2Page,
  },
  fig3: { kind: "page", shows: "the method's data flow", source: "S2 Fig 3", takes: "seconds", make: figure3Page },
  fig4: {
    kind: "page",
    shows: "agent with 26 tools, and poet; time with and without prompt",
    source: "S2 Fig 4",
    takes: "0.3 h",
    make: figure4Page,
  },
  "s0-table17": {
    kind: "out",
    shows: "LLaMA3-8B edge, base against LoRA-Gen",
    source: "S0 T17",
    because:
      "an 8 B edge model cannot be trained over on two cores; runs/paper/llama3-8b.json opens and makes a step on stand-ins",
  },
  "s0-table18": alias("table11", "test sizes", "S0 T18"),
  "s0-table19": {
    kind: "trains",
    shows: "coefficients 0.1, 0.05, 0.01, 0.005, none, task by task",
    source: "S0 T19",
    needs: needs("GS", "GA", "G0"),
    takes: "with table5",
    make: table19Page,
  },
  "s0-table20": {
    kind: "page",
    shows: "Gisting, AutoCompressors, 500x, ICAE, LoRA-Gen: unseen accuracy, latency with and without instruction",
    source: "S0 T20",
    takes: `${first("G0", "P")}; then 0.5 h`,
    make: table20Page,
  },
  "s0-table21": {
    kind: "page",
    shows: "bootstrap over tasks as samples (withdrawn by the authors)",
    source: "S0 T21",
    takes: "seconds, from table2's log",
    make: table21Page,
  },
  "s0-table22": {
    kind: "trains",
    shows: "validation beside test, coefficient none, 0.005, 0.01",
    source: "S0 T22",
    needs: needs("GS", "GA", "G0"),
    takes: "with table5",
    make: table22Page,
  },
  "s0-table23": {
    kind: "page",
    shows: "CPU latency and ratio at 266+51, 50+51, 0+51 tokens",
    source: "S0 T23",
    takes: "1 minute",
    make: cpuLatencyPage,
  },
  "s0-table24": {
    kind: "page",
    shows: "bootstrap interval on HellaSwag against three methods",
    source: "S0 T24",
    takes: "seconds, from table2's log",
    lacks: "AutoCompressors, whose questions are fewer",
    make: table24Page,
  },
  "s0-table26": {
    kind: "page",
    shows: "mean ± sd over runs: LoRAMoE, MixLoRA, LoRA-Gen",
    source: "S0 T26",
    takes: `${first("G0", "B")}, two seeds of each at least; then with table2`,
    make: table26Page,
  },
  headlines: {
    kind: "page",
    shows: "claims in text, recomputed from the paper's cells, ours beside",
    source: "S0, S1, S2, S4",
    takes: "seconds",
    make: headlinesPage,
  },
  "gpt4tools-repeats": {
    kind: "page",
    shows: "average score over four evaluations, ±0.65",
    source: "S2 A.3",
    takes: "1 h (50 items)",
    make: gpt4toolsRepeatsPage,
  },
  "gpt4tools-context": {
    kind: "page",
    shows: "tool definitions are 91 % of the input",
    source: "S2 T3 caption",
    takes: "seconds",
    make: gpt4toolsContextPage,
  },
  "fewshot-sd": {
    kind: "page",
    shows: "spread over draws of shots, 0.0146",
    source: "S0",
    takes: `${first("G0")}; then 0.4 h`,
    make: fewshotSdPage,
  },
  "bn-diversity": {
    kind: "trains",
    shows: "BatchNorm spreads use over more experts",
    source: "S2 §3.2",
    needs: needs("GS"),
    takes: "minutes",
    make: bnDiversityPage,
  },
  "knowledge-transfer": {
    kind: "page",
    shows: "a different, larger cloud helps the edge",
    source: "S2 §4.4",
    takes: "seconds, from kept logs of 100 steps",
    make: knowledgeTransferPage,
  },
  "alpaca-abstraction": {
    kind: "page",
    shows: "instructions abstracted to (system prompt, input, output); 37,658 samples",
    source: "S2 A.2, A.4",
    takes: `${first("G0", "GS")}; then minutes`,
    lacks: "a generator trained with and without them was not run",
    make: alpacaAbstractionPage,
  },
  "prompt-kinds": {
    kind: "page",
    shows: "task description, shots, role, conversation format, tools can all be compressed",
    source: "S2 §1, §3.2",
    takes: "0.8 h",
    make: promptKindsPage,
  },
  baselines: {
    kind: "page",
    shows: "LoraHub's search, prefix tuning, prompting 0/1/3/5 shots",
    source: "S2 §2, T1",
    takes: `${first("G0", "H")}; then 0.8 h`,
    make: baselinesPage,
  },
  "compressors-hard": alias("s0-table20", "Selective-Context and LLMLingua kind, truncation", "S2 §2.3"),
  equations: {
    kind: "test",
    shows: "equations 1–8",
    source: "S2 §3",
    files: [conformance, "test/parity/generator-gradients.test.ts"],
  },
  ambiguities: {
    kind: "test",
    shows: "each alternative is a configuration key",
    source: "spec §6",
    files: ["test/parity/generator-variants.test.ts"],
  },
  scorers: {
    kind: "test",
    shows: "five GPT4Tools metrics, AVE, HAR, compression ratio",
    source: "S2 §4.1",
    files: ["test/parity/paper-metrics.test.ts", "src/eval/scorers/gpt4tools.test.ts", "src/eval/compression.test.ts"],
  },
  "parity-lm-eval": {
    kind: "page",
    shows: "same statistics as lm-evaluation-harness; and the lettered protocol",
    source: "S2 A.3, §4.1",
    takes: "1 h, and lm-eval's own answers (bench/peers)",
    make: parityPage,
  },
  conformance: {
    kind: "test",
    shows:
      "exports, leakage guard, determinism, controls; toy end to end is no test, because a toy pair did not show it (runs/assistant)",
    source: "spec §9",
    files: [
      "test/e2e/exports.test.ts",
      "src/eval/tasks/tasks.test.ts",
      "runs/reproduce/skills/untested.test.ts",
      conformance,
      "test/parity/prompt-controls.test.ts",
    ],
  },
  "paper-pairs": {
    kind: "test",
    shows: "LLaMA3-8B cloud with TinyLlama, Qwen, Gemma, OPT, LLaMA edges",
    source: "S2, S0",
    files: ["runs/paper/paper.test.ts"],
    titled: "paper-pairs:",
  },
  "s1-sheet": {
    kind: "page",
    shows: "reproducibility sheet: code, splits, versions, hardware, set-up",
    source: "S1",
    takes: "seconds",
    make: s1SheetPage,
  },
  contradictions: {
    kind: "test",
    shows: "seventeen contradictions in the documents",
    source: "spec §7",
    files: [manifest],
    titled: "contradictions:",
  },
  limits: {
    kind: "page",
    shows: "fixed pair, cloud needed, training cost, offline use, task-specific",
    source: "S0, S2 §5",
    takes: "seconds",
    make: written("limits"),
  },
  "rv-1": alias("s0-table20", "compare with context compressors"),
  "rv-2": alias("table12", "training FLOPs of every method"),
  "rv-3": alias("table2", "significance: metric, unit, n; ± in tables 2 and 3"),
  "rv-4": alias("s0-table22", "no tuning on test; validation for all of §4.4"),
  "rv-5": alias("fig1", "latency with the cloud pass; break-even"),
  "rv-6": {
    kind: "page",
    shows: "task-agnostic against task-specific; training-free methods marked",
    source: "S0",
    takes: `${first("G0", "B")}; then 0.6 h`,
    make: generalPromptPage,
  },
  "rv-7": { kind: "page", shows: "meta token defined", source: "S0", takes: "seconds", make: written("rv-7") },
  "rv-8": { kind: "test", shows: "ratio and speed-up never mixed", source: "S0", files: [manifest], titled: "rv-8:" },
  "rv-9": alias("s0-table26", "mean and variance over runs and shot draws"),
  "rv-10": {
    kind: "page",
    shows: "sizes and terms: edge-side, reasoning tasks",
    source: "S0",
    takes: "seconds",
    make: termsPage,
  },
  "rv-11": alias("table5", "lower coefficients"),
  "rv-12": {
    kind: "page",
    shows: "memory, data and compute on the edge",
    source: "S0",
    takes: "minutes",
    make: edgePage,
  },
  "data-arc-c": data("data-arc-c", "train 1,119, test 1,172"),
  "data-arc-e": data("data-arc-e", "train 2,251, test 2,376"),
  "data-obqa": data("data-obqa", "train 4,957, test 500"),
  "data-boolq": data("data-boolq", "train 9,427, test 3,270 (validation rows)"),
  "data-siqa": data("data-siqa", "test 1,954; train unused"),
  "data-hellaswag": data("data-hellaswag", "3,243 ActivityNet rows of 10,042"),
  "data-winogrande": data("data-winogrande", "test 1,267; train guarded"),
  "data-piqa": data("data-piqa", "test 1,838; train guarded"),
  "data-gpt4tools": data("data-gpt4tools", "652 test items (602 with, 50 without tool), 8 new tools"),
} as const satisfies Readonly<Record<string, Row>>;
