/** @file All published tasks by name. */
import { arcChallenge, arcEasy } from "./arc.ts";
import type { Benchmark } from "./benchmark.ts";
import { boolQ } from "./boolq.ts";
import { gpt4tools } from "./gpt4tools.ts";
import { gsm8k } from "./gsm8k.ts";
import { hellaSwag } from "./hellaswag.ts";
import { humanEval } from "./humaneval.ts";
import { math } from "./math.ts";
import { mbpp } from "./mbpp.ts";
import { openBookQa } from "./openbookqa.ts";
import { piqa } from "./piqa.ts";
import { socialIqa } from "./social-iqa.ts";
import { winoGrande } from "./winogrande.ts";

/** In the order of the paper's tables. */
export const benchmarks = {
  "arc-c": arcChallenge,
  "arc-e": arcEasy,
  openbookqa: openBookQa,
  boolq: boolQ,
  "social-iqa": socialIqa,
  hellaswag: hellaSwag,
  winogrande: winoGrande,
  piqa,
  gpt4tools,
  gsm8k,
  math,
  mbpp,
  humaneval: humanEval,
} as const satisfies Record<string, Benchmark>;

export type BenchmarkName = keyof typeof benchmarks;
export const BENCHMARKS = Object.keys(benchmarks) as BenchmarkName[];
