/** @file OpenBookQA: questions on elementary science facts and common knowledge. */
import { benchmark, continuationSample, continuationScorers, letterQuestion } from "./benchmark.ts";
import { ChoiceRow } from "./choice-row.ts";

export const openBookQa = benchmark({
  summary: "OpenBookQA: elementary facts of science, applied",
  citation:
    "Mihaylov et al., Can a Suit of Armor Conduct Electricity? A New Dataset for Open Book Question Answering, EMNLP 2018. Apache-2.0",
  version: 1,
  kind: "reasoning",
  files: { folder: "openbookqa", test: "test", train: "train", validation: "dev" },
  source: "https://huggingface.co/datasets/allenai/openbookqa (main)",
  row: ChoiceRow,
  forms: {
    continuation: {
      systemPrompt: "Complete the sentence or answer the question with a fact of elementary science.",
      layout: "text",
      scorers: continuationScorers,
      sampleOf: ({ question, choices, label }) => continuationSample(question, choices, label),
    },
    letters: {
      systemPrompt: "Choose the correct answer to the question on elementary science. Say its letter.",
      layout: "text",
      scorers: ["choice"],
      sampleOf: ({ question, choices, label }) => letterQuestion(question, choices, label),
    },
  },
});
