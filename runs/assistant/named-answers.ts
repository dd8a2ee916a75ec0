/**
 * @file How many prompts of a suite name all that their answers are made of: every label, and of a call its function.
 *   npx tsx runs/assistant/named-answers.ts SUITE.jsonl
 */
import type { EvalTask } from "../../src/data/eval-task.ts";
import { readTaskFiles } from "../../src/data/task-file.ts";

/** What a prompt has to name of an answer: `report_fraud` of itself, of `{"intent": "report_fraud"}` and of `route("report_fraud")`. */
function nameOf(answer: string): string {
  const routed = /^(?:\{"\w+": |\w+\()"([^"]+)"[})]$/.exec(answer);
  return routed?.[1] ?? /^(\w+)\(/.exec(answer)?.[1] ?? answer;
}

function namesAll({ systemPrompt, samples }: EvalTask): boolean {
  const prompt = systemPrompt.toLowerCase();
  return samples.every(({ target }) => prompt.includes(nameOf(target).toLowerCase()));
}

const tasks = await readTaskFiles(process.argv.slice(2));
const parts: Readonly<Record<string, (task: EvalTask) => boolean>> = {
  routing: ({ kind }) => kind === "routing",
  "of these Banking77": ({ name }) => name.startsWith("banking77"),
  "tool calls": ({ kind }) => kind === "tool-call",
};
for (const [part, takes] of Object.entries(parts)) {
  const own = tasks.filter(takes);
  console.log(`${part}: ${own.filter(namesAll).length} of ${own.length} prompts name all`);
}
