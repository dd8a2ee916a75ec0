/** @file The model with the system prompt in its context, and with examples behind it. */
import { freeOfCost, type Method, type Prepared, type Subject } from "./method.ts";
import { refusesExamples, shotsPrompt } from "./shots.ts";

export const prompted: Method = {
  summary: "the edge model with the system prompt in its context",
  needs: { training: "nothing", beside: "nothing" },
  prepare: async (subject, { systemPrompt }) => reading(subject, systemPrompt),
};

/**
 * The same with `count` examples. A prompt that consists of those very examples stays as it is. In front of a question in plain text the
 * examples stand alone, as lm-evaluation-harness has them.
 */
export const promptedShots = (count: number): Method => ({
  summary: "the edge model with the system prompt and N examples in its context",
  needs: { training: "nothing", beside: "nothing" },
  refuses: (_, task) => refusesExamples(task, count),
  async prepare(subject, task) {
    const examples = shotsPrompt(task, count);
    const { systemPrompt } = task;
    const context =
      task.layout !== undefined
        ? examples
        : systemPrompt.includes(examples)
          ? systemPrompt
          : `${systemPrompt}\n\n${examples}`;
    const { cost, ...prepared } = reading(subject, context);
    return { ...prepared, cost: { ...cost, examples: count } };
  },
});

/** What a method makes of the model, with `count` examples in its context: for what was trained behind them. */
export const behindShots = (method: Method, count: number): Method => {
  const { refuses, prepare } = promptedShots(count);
  return {
    summary: `${method.summary.replace(/, input alone$/, "")}, behind N examples`,
    needs: method.needs,
    refuses: (subject, task) => method.refuses?.(subject, task) ?? refuses!(subject, task),
    async prepare(subject, task, how) {
      const { cost, ...own } = await method.prepare(subject, task, how);
      const { context, prompt, cost: text } = await prepare(subject, task, how);
      return {
        ...own,
        context: context!,
        prompt: prompt!,
        cost: { ...cost, bytes: cost.bytes + text.bytes, examples: count },
      };
    },
  };
};

const reading = ({ model }: Subject, text: string): Prepared => ({
  model,
  context: async () => text,
  prompt: text,
  cost: { ...freeOfCost, bytes: Buffer.byteLength(text) },
});
