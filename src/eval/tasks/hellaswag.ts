/** @file HellaSwag: how a described scene goes on. */
import { z } from "zod";
import { benchmark, continuationSample, continuationScorers, lettered, letterSample } from "./benchmark.ts";

const Row = z.object({
  activity_label: z.string(),
  ctx: z.string(),
  endings: z.array(z.string()).min(2),
  label: z.int().min(0),
});

/** A context as the data set's `ctx_a` and `ctx_b`: whole sentences, and the beginning of one that the ending completes. */
export function hellaSwagContext(context: string): readonly [string, string] {
  const at = /(?:^|[.!?]["')\]]? )(?=[a-z][^.!?]*$)/.exec(context);
  const from = at === null ? context.length : at.index + at[0].length;
  return [context.slice(0, from).trimEnd(), context.slice(from)];
}

/** lm-evaluation-harness capitalises the second part, as Python does: the rest of it in small letters. */
function capitalized(context: string): string {
  const [sentences, begun] = hellaSwagContext(context);
  return [sentences, begun.slice(0, 1).toUpperCase() + begun.slice(1).toLowerCase()].join(" ").trim();
}

/** As lm-evaluation-harness cleans texts. */
const cleaned = (text: string): string =>
  text
    .trim()
    .replaceAll(" [title]", ". ")
    .replaceAll(/\[.*?\]/g, "")
    .replaceAll("  ", " ");

export const hellaSwag = benchmark({
  summary: "HellaSwag: how a described scene goes on (ActivityNet rows)",
  citation: "Zellers et al., HellaSwag: Can a Machine Really Finish Your Sentence?, ACL 2019. MIT",
  version: 1,
  kind: "reasoning",
  files: { folder: "hellaswag", test: "test_activitynet" },
  source: "https://huggingface.co/datasets/Rowan/hellaswag (validation rows with source activitynet)",
  row: Row,
  forms: {
    continuation: {
      systemPrompt: "Continue the description of the scene with what most likely happens next.",
      layout: "text",
      scorers: continuationScorers,
      sampleOf: ({ activity_label, ctx, endings, label }) =>
        continuationSample(cleaned(`${activity_label}: ${capitalized(ctx)}`), endings.map(cleaned), label),
    },
    letters: {
      systemPrompt: "Choose the ending that completes the description of the scene. Say its letter.",
      layout: "text",
      scorers: ["choice"],
      sampleOf: ({ activity_label, ctx, endings, label }) =>
        letterSample(
          [
            "Please choose the correct ending to complete the given sentence.",
            `Sentence: ${activity_label}. ${ctx}`,
            ...lettered(endings),
            "Answer:",
          ].join("\n"),
          endings,
          label,
        ),
    },
  },
});
