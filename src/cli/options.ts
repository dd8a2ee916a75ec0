/** @file Flags that several commands share, and how their values are read. */
import { InvalidArgumentError, Option } from "commander";
import { AppError } from "../base/errors.ts";
import { readFileBounded } from "../base/read-file.ts";
import { decodeUtf8 } from "../base/utf8.ts";
import {
  type Quantization,
  type QuantizationName,
  quantizationNames,
  quantizations,
} from "../models/quantized/layout.ts";
import { type Device, maxThreads } from "../runtime/session.ts";
import type { CliContext } from "./context.ts";
import { defaultPair } from "./paths.ts";

export type PairFlags = { readonly pair: string; readonly threads: number; readonly device: Device };
export type PromptFlags = { readonly prompt?: string; readonly promptFile?: string };
export type SamplingFlags = {
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly seed: number;
  readonly stop?: readonly string[];
};

/** Longest prompt file and longest piped input. */
const maxTextBytes = 4 * 2 ** 20;

/** A whole number from `min` to `max`. */
export const wholeNumber =
  (min: number, max = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = Number(text);
    const range = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`;
    if (!/^\d+$/.test(text) || !(value >= min && value <= max))
      throw new InvalidArgumentError(`Expected a whole number ${range}.`);
    return value;
  };

/** A decimal number from `min` to `max`. */
export const decimal =
  (min: number, max: number) =>
  (text: string): number => {
    const value = text.trim() === "" ? Number.NaN : Number(text);
    if (!(value >= min && value <= max)) throw new InvalidArgumentError(`Expected a number from ${min} to ${max}.`);
    return value;
  };

export const jsonOption = () => new Option("--json", "print exactly one JSON object on stdout");

export const pairOption = () =>
  new Option("--pair <dir>", "cloud model, edge model and generator").default(defaultPair(), "the pair lora-gen ships");

export const threadsOption = () =>
  new Option("--threads <n>", "threads per operator, 0: $LORAGEN_THREADS, else one per core")
    .argParser(wholeNumber(0, maxThreads))
    .default(0);

const deviceOption = () =>
  new Option("--device <name>", "where models run").choices(["cpu", "webgpu", "cuda"]).default("cpu");

/** `--pair`, `--threads`, `--device`. */
export const pairOptions = (): Option[] => [pairOption(), threadsOption(), deviceOption()];

/** The same for what writes into a pair: without a default, which is the one that ships. */
export const writtenPairOptions = (): Option[] => [
  new Option("--pair <dir>", "required: the pair that is measured and written into"),
  threadsOption(),
  deviceOption(),
];

export type QuantizeFlag = { readonly quantize?: QuantizationName };

/** `--quantize` of the model that a command runs. */
export const quantizeOption = (model: string): Option =>
  new Option("--quantize <type>", `hold the ${model} in fewer bits`).choices(quantizationNames);

export type ExactFlag = { readonly exact?: boolean };

/** `--exact` of the models that a command runs. */
export const exactOption = (): Option =>
  new Option("--exact", "hold all weights in fp32, their values as they are: products with codes round their inputs");

export const quantizationOf = ({ quantize }: QuantizeFlag): Quantization | undefined =>
  quantize === undefined ? undefined : quantizations[quantize];

/** `--prompt`, `--prompt-file`. */
export const promptOptions = (): Option[] => [
  new Option("--prompt <text>", "the system prompt").conflicts("promptFile"),
  new Option("--prompt-file <file>", 'a file with the system prompt, "-" for standard input'),
];

/** How answers are drawn: the likeliest one unless told otherwise. */
export const samplingOptions = (): Option[] => [
  new Option("--max-tokens <n>", "longest answer, in tokens").argParser(wholeNumber(1)).default(128),
  new Option("--temperature <t>", "0: always the likeliest token").argParser(decimal(0, 100)).default(0),
  new Option("--top-p <p>", "draw from the likeliest tokens that reach this share")
    .argParser(decimal(0.001, 1))
    .default(1),
  new Option("--top-k <k>", "draw from the k likeliest tokens, 0: all").argParser(wholeNumber(0)).default(0),
  new Option("--seed <n>", "seed of the draws").argParser(wholeNumber(0)).default(0),
  new Option("--stop <text...>", "texts that end the answer"),
];

/** The value of a flag that a command cannot do without. Throws E_USAGE; a mistyped flag was refused before. */
export function required<T>(value: T | undefined, command: string, flag: string): T {
  if (value === undefined)
    throw new AppError("E_USAGE", `${command}: expected ${flag}, found none. See: loragen ${command} --help`);
  return value;
}

/** The prompt given by one of the two flags; undefined where neither is. Line ends at a file's end are dropped. Throws E_PROMPT for an empty one. */
export async function readPrompt(
  context: Pick<CliContext, "stdin">,
  { prompt, promptFile }: PromptFlags,
): Promise<string | undefined> {
  if (promptFile === undefined && prompt === undefined) return undefined;
  const text = promptFile === undefined ? prompt! : await promptOfFile(context, promptFile);
  if (text.trim() === "") throw new AppError("E_PROMPT", "system prompt: expected text, found none");
  return text;
}

async function promptOfFile(context: Pick<CliContext, "stdin">, path: string): Promise<string> {
  const text = path === "-" ? await readAll(context.stdin) : await readTextFile(path);
  return text.replace(/[\r\n]+$/, "");
}

/** The text itself, or for "-" all of standard input. */
export async function readInput(context: Pick<CliContext, "stdin">, input: string): Promise<string> {
  return input === "-" ? (await readAll(context.stdin)).replace(/[\r\n]+$/, "") : input;
}

/** A text file of at most 4 MiB. */
export const readTextFile = async (path: string): Promise<string> =>
  decodeUtf8(await readFileBounded(path, maxTextBytes), path);

async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    const buffer = Buffer.from(chunk);
    bytes += buffer.length;
    if (bytes > maxTextBytes) throw new AppError("E_LIMIT", `standard input: more than ${maxTextBytes} bytes`);
    chunks.push(buffer);
  }
  return decodeUtf8(Buffer.concat(chunks), "standard input");
}
