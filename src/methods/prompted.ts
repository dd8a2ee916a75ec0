/** @file The model with the system prompt in its context, and with examples behind it. */
import { renderSystemPrompt } from "../text/prompt.ts";
import { freeOfCost, type Method, type Prepared, type Subject } from "./method.ts";
import { refusesExamples, shots } from "./shots.ts";

export const prompted: Method = {
  summary: "the edge model with the system prompt in its context",
  prepare: async (subject, { systemPrompt }) => reading(subject, systemPrompt),
};

/** The same with `count` examples. A prompt that consists of those very examples stays as it is. */
export const promptedShots = (count: number): Method => ({
  summary: "the edge model with the system prompt and N examples in its context",
  refuses: (_, task) => refusesExamples(task, count),
  async prepare(subject, task) {
    const examples = shots(task, count);
    const { systemPrompt: description } = task;
    const context = description.includes(renderSystemPrompt({ examples }))
      ? description
      : renderSystemPrompt({ description, examples });
    const { cost, ...prepared } = reading(subject, context);
    return { ...prepared, cost: { ...cost, examples: examples.length } };
  },
});

const reading = ({ model }: Subject, text: string): Prepared => ({
  model,
  context: async () => text,
  prompt: text,
  cost: { ...freeOfCost, bytes: Buffer.byteLength(text) },
});
