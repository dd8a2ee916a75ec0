/** @file The numbers that the documents report of Transformer², as printed: Llama3-8B-Instruct, in percent. */

/** Own tasks (table 1): GSM8K, MBPP-Pro, ARC-Easy. Unseen ones (table 2): MATH, HumanEval, ARC-Challenge, there by few-shot dispatch. */
export const columns = { own: ["GSM8K", "MBPP-Pro", "ARC-e"], unseen: ["MATH", "HumanEval", "ARC-c"] } as const;

export const accuracy = {
  "base model": { own: [75.89, 64.65, 88.59], unseen: [24.54, 60.98, 80.63] },
  LoRA: { own: [77.18, 67.68, 88.97], unseen: [24.12, 52.44, 81.06] },
  "IA³": { own: [78.01, 67.68, 89.1], unseen: [23.64, 59.76, 81.57] },
  DoRA: { own: [78.09, 64.65, 89.14], unseen: [24.44, 52.44, 81.14] },
  "SVF; Transformer² from few examples": { own: [79.15, 66.67, 89.56], unseen: [25.47, 62.99, 82.61] },
} as const;

/** MATH with an equal share of each skill. */
export const uniformMath = 24.46;

/** Seconds of both passes (table 3). */
export const seconds = {
  MATH: { first: 42.64, second: 321.19 },
  HumanEval: { first: 2.76, second: 14.28 },
  "ARC-c": { first: 13.4, second: 28.51 },
} as const;

/** ARC-Challenge by the number of examples: few-shot dispatch, and IA³ trained on the same ones. */
export const shots = {
  "3": { search: 82.18, "100 steps": 81.82, "1,000 steps": 79.01 },
  "5": { search: 82.38, "100 steps": 80.89, "1,000 steps": 79.41 },
  "10": { search: 82.61, "100 steps": 82.0, "1,000 steps": 79.78 },
  "20": { search: 82.61, "100 steps": 81.4, "1,000 steps": 79.61 },
} as const;
