/** @file WinoGrande: which of two names a sentence means. */
import { z } from "zod";
import { benchmark, continuationSample, lettered, letterSample } from "./benchmark.ts";

const Row = z.object({ sentence: z.string(), option1: z.string(), option2: z.string(), answer: z.enum(["1", "2"]) });

export const winoGrande = benchmark({
  summary: "WinoGrande: which of two names a sentence means",
  citation: "Sakaguchi et al., WinoGrande: An Adversarial Winograd Schema Challenge at Scale, AAAI 2020. CC BY",
  version: 1,
  kind: "reasoning",
  files: { folder: "winogrande", test: "test" },
  source: "https://huggingface.co/datasets/allenai/winogrande (winogrande_xl; its validation rows are the test)",
  row: Row,
  forms: {
    continuation: {
      systemPrompt: "Fill the blank of the sentence with the name that makes sense.",
      layout: "blank",
      scorers: ["choice"],
      sampleOf: ({ sentence, option1, option2, answer }) =>
        continuationSample(sentence, [option1, option2], Number(answer) - 1),
    },
    letters: {
      systemPrompt: "Choose what fills the blank of the sentence. Say its letter.",
      layout: "text",
      scorers: ["choice"],
      sampleOf: ({ sentence, option1, option2, answer }) =>
        letterSample(
          [
            "Please choose the correct answer to fill in the blank to complete the given sentence.",
            `Sentence: ${sentence}`,
            ...lettered([option1, option2]),
            "Answer:",
          ].join("\n"),
          [option1, option2],
          Number(answer) - 1,
        ),
    },
  },
});
