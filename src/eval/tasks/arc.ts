/** @file ARC: science questions of grade school, an easy set and one that retrieval and co-occurrence fail on. */
import { type Benchmark, benchmark, continuationSample, continuationScorers, letterQuestion } from "./benchmark.ts";
import { ChoiceRow } from "./choice-row.ts";

const citation =
  "Clark et al., Think you have Solved Question Answering? Try ARC, the AI2 Reasoning Challenge, arXiv:1803.05457, 2018. CC BY-SA 4.0";

const arc = (folder: string, summary: string): Benchmark =>
  benchmark({
    summary,
    citation,
    version: 1,
    kind: "reasoning",
    files: { folder, test: "test", train: "train" },
    source: "https://huggingface.co/datasets/allenai/ai2_arc",
    row: ChoiceRow,
    forms: {
      continuation: {
        systemPrompt: "Answer the science question with a short phrase or sentence.",
        layout: "text",
        scorers: continuationScorers,
        sampleOf: ({ question, choices, label }) =>
          continuationSample(`Question: ${question}\nAnswer:`, choices, label),
      },
      letters: {
        systemPrompt: "Choose the correct answer to the science question. Say its letter.",
        layout: "text",
        scorers: ["choice"],
        sampleOf: ({ question, choices, label }) => letterQuestion(question, choices, label),
      },
    },
  });

export const arcChallenge = arc("arc_challenge", "ARC-Challenge: science questions that retrieval fails on");
export const arcEasy = arc("arc_easy", "ARC-Easy: science questions of grade school");
