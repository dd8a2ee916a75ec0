/** @file `knowledge-transfer`: a larger cloud model of another family beside the edge model as its own cloud, from the kept logs of two equal runs. */
import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { number, paragraphs, signed, table } from "../markdown.ts";
import type { Page } from "../row.ts";

/** Losses in nats. `answerLoss` counts every answer once, `tokenLoss` is of answers that are written, `choiceLoss` of those that are one of a list. */
export type Losses = { readonly answerLoss: number; readonly tokenLoss: number; readonly choiceLoss: number };
type Line = { readonly step: number; readonly memoryMb?: number; readonly validation?: Losses };
/** One run: its validations by step, and the most memory that a step took, in MB. */
export type ShortRun = { readonly validation: ReadonlyMap<number, Losses>; readonly memoryMb: number };

const folder = new URL("../../smollm2/results/levers/", import.meta.url);

/** Reads the log of a lever that is kept in `runs/smollm2/results/levers`. */
export async function readLever(name: string): Promise<ShortRun> {
  const text = gunzipSync(await readFile(new URL(`${name}.jsonl.gz`, folder))).toString("utf8");
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line); // our own file
  return {
    validation: new Map(
      lines.flatMap(({ step, validation }) => (validation === undefined ? [] : [[step, validation]])),
    ),
    memoryMb: Math.max(...lines.map(({ memoryMb = 0 }) => memoryMb)),
  };
}

const kinds = [
  ["answers", "answerLoss"],
  ["tokens", "tokenLoss"],
  ["choices", "choiceLoss"],
] as const;

/** One row for each validation and kind of loss: the twin's, the larger cloud's, and the second less the first. */
export function transferRows(twin: ShortRun, larger: ShortRun): (string | number)[][] {
  return [...twin.validation].flatMap(([step, own]) => {
    const theirs = larger.validation.get(step);
    if (theirs === undefined) return [];
    return kinds.map(([name, key]) => [
      `${name}, step ${step}`,
      number(own[key], 3),
      number(theirs[key], 3),
      signed(theirs[key] - own[key], 3),
    ]);
  });
}

export async function knowledgeTransferPage(): Promise<Page> {
  const [twin, larger] = await Promise.all([readLever("as-trained"), readLever("knowledge-transfer")]);
  return {
    text: paragraphs(
      "The paper generates for TinyLlama, Gemma and Qwen from LLaMA3-8B, and says that the larger model's knowledge helps (§4.4). Here SmolLM2-135M-Instruct is the edge model of two runs. In one it is its own cloud; in the other Qwen2.5-Coder-0.5B-Instruct is, 3.7 times as large, of another family and with another tokenizer.",
      "Both runs take 100 steps of 16 prompts, from the same seed, over the same data in the same order (`runs/smollm2/levers.ts` writes them; the logs are in `runs/smollm2/results/levers`). Loss in nats over 256 validation prompts, lower is better. *Answers*: each answer counts once; *tokens*: of answers that are written; *choices*: of answers that are one of a list.",
      table(["validation loss", "own cloud, 135 M", "cloud of 0.5 B", "difference"], transferRows(twin, larger)),
      `Most memory: ${number(twin.memoryMb / 1000)} GB with its own cloud, ${number(larger.memoryMb / 1000)} GB with the larger one. One training seed and few steps: the larger cloud model is ahead after 100 steps, and this does not say which ends better.`,
    ),
  };
}
