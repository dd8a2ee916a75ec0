/**
 * @file GPT4Tools' five metrics of a trace that calls tools, by the rules of its own `eval/evaluate_result.py` (Yang et al., GPT4Tools, 2023): SR_t
 * thoughts, SR_act tools, SR_args arguments, SR the whole, IoU of all steps. LoRA-Gen's table 3 averages the five.
 */
import { mean } from "../statistics.ts";
import { quote, type Scorer } from "./scorer.ts";

export type ToolScores = {
  readonly thought: number;
  readonly action: number;
  readonly arguments: number;
  readonly success: number;
  readonly iou: number;
};

/** All captures of a line's rest, as Python's `re.findall` with a dot that stops at line ends. */
const restsOf = (text: string, label: RegExp): string[] => [...text.matchAll(label)].map(([, rest]) => rest!.trim());

const labels = {
  thought: /Thought: Do I need to use a tool\? ([^\n]*)/g,
  action: /Action: ([^\n]*)/g,
  arguments: /Action Input: ([^\n]*)/g,
  reply: /AI: ([^\n]*)/g,
} as const;

/** Steps side by side: how right each is, and whether the reference has it. */
type Steps = { readonly right: readonly number[]; readonly wanted: readonly number[] };

function compare(
  wanted: readonly string[],
  said: readonly string[],
  rightOf: (wanted: string, said: string) => number,
): Steps {
  const places = Array.from({ length: Math.max(wanted.length, said.length) }, (_, i) => i);
  return {
    right: places.map((i) => (i < wanted.length && i < said.length ? rightOf(wanted[i]!, said[i]!) : 0)),
    wanted: places.map((i) => (i < wanted.length ? 1 : 0)),
  };
}

const same = (wanted: string, said: string): number => (wanted === said ? 1 : 0);

/** Of comma-separated arguments: a picture has to be a picture, whichever; a text counts by its words; another number of them by nothing. */
function argumentsRight(wanted: string, said: string): number {
  const [names, found] = [wanted.split(","), said.split(",")];
  if (names.length !== found.length) return 0;
  const isPicture = (text: string) => text.includes(".png");
  if (names.some((name, i) => isPicture(name) && !isPicture(found[i]!))) return 0;
  return mean(names.map((name, i) => (isPicture(name) ? 1 : bleu1(name, found[i]!))));
}

/** pycocoevalcap's BLEU of single words, of one text against one. */
function bleu1(wanted: string, said: string): number {
  const wordsOf = (text: string) => text.split(/\s+/).filter((word) => word !== "");
  const [reference, hypothesis] = [wordsOf(wanted), wordsOf(said)];
  const left = new Map<string, number>();
  for (const word of reference) left.set(word, (left.get(word) ?? 0) + 1);
  let hits = 0;
  for (const word of hypothesis) {
    const count = left.get(word) ?? 0;
    if (count > 0) hits++;
    left.set(word, count - 1);
  }
  const precision = (hits + 1e-15) / (hypothesis.length + 1e-9);
  const ratio = (hypothesis.length + 1e-15) / (reference.length + 1e-9);
  return ratio < 1 ? precision * Math.exp(1 - 1 / ratio) : precision;
}

const average = (values: readonly number[]): number => (values.length === 0 ? 0 : mean(values));

function iouOf(steps: readonly Steps[]): number {
  const right = steps.flatMap((step) => step.right);
  const wanted = steps.flatMap((step) => step.wanted);
  const both = right.reduce((sum, value, i) => sum + value * wanted[i]!, 0);
  const either = right.reduce((sum, value, i) => sum + Math.max(value, wanted[i]!), 0);
  return both / Math.max(either, 1);
}

/** @param target a trace with tools, or one without that only replies */
export function toolScores(target: string, answer: string): ToolScores {
  return target.includes("Action:") && target.includes("Action Input:")
    ? withTools(target, answer)
    : withoutTools(target, answer);
}

function withTools(target: string, answer: string): ToolScores {
  const actions = restsOf(target, labels.action);
  const saidActions = restsOf(answer, labels.action);
  const saidThoughts = restsOf(answer, labels.thought);
  // The last thought, that no further tool is needed, belongs to no action.
  if (saidThoughts.length === saidActions.length + 1 && saidThoughts.at(-1) === "No") saidThoughts.pop();
  const steps = [
    compare(restsOf(target, labels.thought).slice(0, actions.length), saidThoughts, same),
    compare(actions, saidActions, same),
    compare(restsOf(target, labels.arguments), restsOf(answer, labels.arguments), argumentsRight),
  ];
  const [thought, action, args] = steps.map(({ right }) => average(right)) as [number, number, number];
  const success = thought < 1 || action < 1 || args < 0.5 ? 0 : 1;
  return { thought, action, arguments: args, success, iou: iouOf(steps) };
}

function withoutTools(target: string, answer: string): ToolScores {
  const said = restsOf(answer, labels.thought);
  const step = compare(restsOf(target, labels.thought), said, same);
  const replies = said[0] === "No" && restsOf(answer, labels.reply).length > 0;
  const thought = replies ? average(step.right) : 0;
  const rest = thought === 1 ? 1 : 0;
  return { thought, action: rest, arguments: rest, success: rest, iou: iouOf([step]) };
}

const metric = (summary: string, pick: (scores: ToolScores) => number): Scorer => ({
  summary: `GPT4Tools: ${summary}`,
  score: ({ target, answer }) => ({ score: pick(toolScores(target, answer)), reason: quote(answer) }),
});

export const gpt4toolsScorers = {
  gpt4tools: metric("mean of the five metrics below", (scores) => mean(Object.values(scores))),
  "gpt4tools-thought": metric("SR_t, whether a tool is needed", ({ thought }) => thought),
  "gpt4tools-action": metric("SR_act, the right tools", ({ action }) => action),
  "gpt4tools-arguments": metric("SR_args, their arguments", (scores) => scores.arguments),
  "gpt4tools-success": metric("SR, the whole trace", ({ success }) => success),
  "gpt4tools-iou": metric("IoU, over all steps", ({ iou }) => iou),
} as const satisfies Record<string, Scorer>;
