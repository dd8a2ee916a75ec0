/** @file `table12`: what a question costs each method in training and in inference: arithmetic counted in the graphs that run, time, memory. */
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../../src/base/atomic-file.ts";
import { writeEpisodes } from "../../../src/data/episode.ts";
import { compressionRatio } from "../../../src/eval/compression.ts";
import { readingFlops } from "../../../src/methods/flops.ts";
import type { Needs } from "../../../src/methods/method.ts";
import { parseMethods } from "../../../src/methods/table.ts";
import type { Model } from "../../../src/models/model.ts";
import { openModel } from "../../../src/models/model-file.ts";
import { TEXT_LAYOUT } from "../../../src/text/prompt.ts";
import { loadTokenizer, type Tokenizer } from "../../../src/text/tokenizer-file.ts";
import { SEEN } from "../../reasoning/draw.ts";
import { configOf, type TrainingName, trainings } from "../../reasoning/trainings.ts";
import { breakEven, perToken } from "../contradictions.ts";
import { CostSeen, type CostTask } from "../cost-task.ts";
import { number, paragraphs, table } from "../markdown.ts";
import { inOwnProcess } from "../own-process.ts";
import { table12 as printed, table12Inference } from "../paper.ts";
import type { Budget, Context, Page } from "../row.ts";
import { linkPair } from "../trained-pair.ts";

const instruction = 200;
const input = 100;
/** Questions of a step, and of what is timed in inference. */
const questions = 8;
const repeats: Readonly<Record<Budget, number>> = { minutes: 1, hours: 3, full: 5 };

export type CostRow = {
  readonly name: string;
  /** Of `runs/reasoning`; none: nothing is trained. */
  readonly training?: TrainingName;
  /** Tokens that a question has to be read with. */
  readonly reads: number;
  /** Tokens before those whose keys and values are kept between questions. */
  readonly kept?: number;
  /** By what it answers, where neither a training nor the tokens say it. */
  readonly method?: string;
};

/** Of a method that makes an instruction shorter: to so many times fewer tokens. */
const ratio = 2;
const shorter = input + instruction / ratio;
/** Labelled examples that LoraHub searches by. */
const shots = 5;

/** What is trained for an input alone reads it alone; what is trained behind prompts reads both. */
export const costRows: readonly CostRow[] = [
  { name: "base, the input alone", reads: input },
  { name: "prompted", reads: instruction + input },
  { name: "prompted, its keys and values kept", reads: input, kept: instruction, method: "prompted" },
  { name: `truncated to 1/${ratio}`, reads: shorter, method: `truncated-${ratio}x` },
  { name: `LLMLingua's kind, 1/${ratio}`, reads: shorter, method: `llmlingua-${ratio}x` },
  { name: "LoRA behind prompts", training: "lora", reads: instruction + input },
  { name: "LoRAMoE", training: "loramoe", reads: instruction + input },
  { name: "MixLoRA", training: "mixlora", reads: instruction + input },
  { name: "LoRA of one task, inputs alone", training: "lora-arc-c", reads: input },
  { name: "LoraHub", training: "lora-arc-c", reads: input, method: `lorahub-${shots}shot` },
  { name: "prefix tuning", training: "prefix", reads: input },
  { name: "gist tokens", training: "gist", reads: input },
  { name: "AutoCompressors", training: "autocompressor", reads: input },
  { name: "ICAE", training: "icae", reads: input },
  { name: "500xCompressor", training: "500xcompressor", reads: input },
  { name: "LoRA-Gen", training: "generator", reads: input },
];

/** A text of so many tokens: what it says costs nothing. */
function textOf({ encode }: Tokenizer, tokens: number): string {
  let text = "a";
  while (encode(text).length < tokens) text += " a";
  return text;
}

/** The name of what answers, after its training where it has one. */
async function methodOf({ training, reads, method: own }: CostRow, output: string): Promise<string> {
  if (training === undefined) return own ?? (reads === input ? "base" : "prompted");
  if (training === "generator") return "specialized";
  if (own !== undefined) return `${own}:${await poolOf(output)}`;
  const { method, result } = trainings[training];
  return `${method ?? "lora"}:${join(output, result)}`;
}

/** A pool of as many LoRAs as there are seen tasks: one LoRA under as many names costs the same. */
async function poolOf(output: string): Promise<string> {
  const pool = `${output}-pool`;
  const { result } = trainings["lora-arc-c"];
  for (const task of SEEN) await cp(join(output, result), join(pool, task), { recursive: true });
  return pool;
}

/** The pair of a generator that was trained over one model as cloud and edge. */
function pairOf(output: string, model: string): Promise<string> {
  const tokenizer = model.endsWith(".gguf") ? undefined : model;
  const run = { kind: "generator", cloud: model, edge: model, tokenizer, layout: TEXT_LAYOUT, generator: {} } as const;
  return linkPair(`${output}-pair`, run, output);
}

type Seen = CostRow & { readonly trained?: CostSeen; readonly asked: CostSeen; readonly needs: Needs };

/** Everything of a row that is not known yet, each in a process of its own. */
async function see(
  row: CostRow,
  prompt: string,
  data: string,
  { work, model, budget, signal }: Context,
): Promise<Seen> {
  const how = { seen: CostSeen, id: "table12", signal };
  const ask = (task: CostTask) => inOwnProcess("cost.ts", task, how);
  const { training, reads: tokens, kept = 0, method = "" } = row;
  const output = join(work, "table12", training ?? "none");
  const asking = {
    way: "inference",
    model,
    isPair: false,
    prompt,
    examples: method.startsWith("lorahub") ? shots : 0,
    tokens,
    kept,
    questions,
    repeats: repeats[budget],
  } as const;
  const askBy = async (method: string, of: { readonly model?: string; readonly isPair?: boolean } = {}) => ({
    asked: await ask({ ...asking, ...of, method }),
    needs: parseMethods([method])[0]!.needs,
  });
  if (training === undefined) return { ...row, ...(await askBy(await methodOf(row, output))) };
  const episodes = join(data, "episodes.jsonl");
  const config = `${output}.json`;
  const place = { cloud: model, edge: model, data, output };
  const own = { episodes: { train: episodes, validation: episodes }, batch: questions, rowTokens: 1024 };
  await writeFileAtomic(config, JSON.stringify({ ...configOf({ name: training, seed: 1 }, budget, place), ...own }));
  const trained = await ask({ way: "training", config, repeats: repeats[budget] });
  const pair = training === "generator" ? { model: await pairOf(output, model), isPair: true } : {};
  return { ...row, trained, ...(await askBy(await methodOf(row, output), pair)) };
}

/** @param rows all of them, unless a test wants fewer */
export async function table12Page(context: Context, rows = costRows): Promise<Page> {
  const { model: path, work, budget, tell } = context;
  const model = await openModel(path, { keepBlocks: true });
  const tokenizer = await loadTokenizer(path);
  const prompt = textOf(tokenizer, instruction);
  const data = join(work, "table12");
  await mkdir(data, { recursive: true });
  const episode = { family: "cost", prompt, queries: [{ input: textOf(tokenizer, input), target: "A" }] };
  await writeEpisodes(
    join(data, "episodes.jsonl"),
    Array.from({ length: questions }, () => episode),
  );
  const seen: Seen[] = [];
  for (const [i, row] of rows.entries()) {
    tell(`table12: ${row.name}, ${i + 1} of ${rows.length}`);
    seen.push(await see(row, prompt, data, context));
  }
  const read = (tokens: number) => readingFlops({ model }, tokens);
  const [prompted, alone] = [read(instruction + input), read(input)];
  const cloud = read(instruction + model.config.layers);
  const behindKept = readingFlops({ model, prefix: { positions: instruction } }, input);
  const paidBackBehindKept = Math.ceil((cloud - read(instruction)) / (behindKept - alone));
  const giga = (flops: number) => number(flops / 1e9, 1);
  return {
    text: paragraphs(
      `${questions} questions: ${input} tokens of input and an answer of one token, each behind an instruction of ${instruction} tokens. Operations are counted in the graphs that run, matrix products alone, attention in full; a multiplication with its addition is 2 FLOP (1 MAC). Milliseconds are medians of ${repeats[budget]} after one that is not counted; memory is the peak of a process of its own, Node, the model and what a method makes of the instruction included. What weights and tokens say does not matter: they cost the same.`,
      `## Training: one step of ${questions} questions`,
      table(
        ["method", "weights that are trained", "GFLOP a step", "ms a step", "peak MB"],
        seen.flatMap(({ name, trained }) =>
          trained === undefined ? [] : [[name, trained.trained.toLocaleString("en"), ...cost(trained)]],
        ),
      ),
      "LoRA-Gen's step passes each instruction through the cloud model too, which is the edge model's own weights here, and back. Forward and backward, with what is computed a second time to save memory.",
      `## Inference: ${questions} questions, one after the other, to the logits of the first token`,
      table(
        ["method", "tokens read for a question", "GFLOP", "ms", "peak MB"],
        seen.map(({ name, reads, asked }) => [name, reads, ...cost(asked)]),
      ),
      `The operations and the time of what a method makes of an instruction once are not in these rows: the cloud pass of LoRA-Gen takes ${giga(cloud)} GFLOP for ${instruction} + ${model.config.layers} meta tokens. A question takes ${giga(prompted)} GFLOP prompted and ${giga(alone)} specialised, so the pass is paid back after ${Math.ceil(cloud / (prompted - alone))} question(s). Where the prompt's keys and values are kept, a question takes ${giga(behindKept)} GFLOP behind them, and the cloud pass, less the reading of the prompt that it spares, is paid back after ${paidBackBehindKept}. Ratio of tokens: ${number(compressionRatio({ prompt: instruction, input }), 2)}×. Here every LoRA, LoRA-Gen's too, is computed beside weights in blocks of 4 bits; merged into plain weights it costs nothing.`,
      "## What an instruction takes before its first question",
      table(
        [
          "method",
          "trained beforehand",
          "runs beside the edge model",
          "tokens of a question beside its input",
          "labelled examples",
          "seconds",
          "bytes kept",
        ],
        seen.map(({ name, needs, reads, asked: { made } }) => [
          name,
          needs.training,
          needs.beside,
          reads - input,
          made.examples,
          number(made.seconds, 2),
          made.bytes.toLocaleString("en"),
        ]),
      ),
      `Seconds are those of the method's own preparing, models that it opens for it included; of a LoRA it is the reading of its file. "Each task" takes a training like the one above for every instruction, on labelled examples of it. Bytes kept are those of every method's own form: text of a prompt, a LoRA's factors, keys and values, gates. A prompt whose keys and values are kept holds ${keptBytes(model.config)} more for its ${instruction} tokens while it is asked.`,
      "## The paper's rows (Qwen-1.5B; an A100)",
      table(
        ["as printed", "training", "inference", "MiB, batch 8", "seconds, batch 8"],
        Object.entries(printed).map(([name, { train, infer }]) => {
          const { mib, seconds } = table12Inference[name as keyof typeof table12Inference];
          return [name, train.toExponential(3), infer.toExponential(3), mib, number(seconds, 2)];
        }),
      ),
      `Called FLOPs there. Divided by 300 tokens LoRA's inference is ${number(perToken / 1e9, 2)} · 10⁹, about one for each parameter: they are MACs of one forward pass, without the backward pass and without meta tokens. In them the cloud pass is paid back after ${Math.ceil(breakEven)} queries.`,
    ),
  };
}

/** Keys and values of an instruction in fp32. */
const keptBytes = ({ layers, kvHeads, headDim }: Model["config"]): string =>
  `${(2 * 4 * instruction * layers * kvHeads * headDim).toLocaleString("en")} bytes`;

const cost = ({ gigaFlops, ms, peakMb }: CostSeen): string[] => [
  String(Number(gigaFlops.toPrecision(4))),
  number(ms, 0),
  number(peakMb, 0),
];
