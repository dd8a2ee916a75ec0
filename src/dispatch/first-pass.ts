/** @file The first pass of Transformer²: a model names the skill that a question needs, before another pass answers it. */
import { sha256 } from "../base/hash.ts";
import { requireRunning } from "../base/interrupt.ts";
import { type BatchDecoder, createBatchDecoder } from "../decode/batch-decoder.ts";
import type { SavedPositions } from "../decode/batch-model.ts";
import type { StepChange } from "../decode/cached-model.ts";
import { createDecoder, type Decoder } from "../decode/decoder.ts";
import { commonLength } from "../eval/packing.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import type { CompileOptions } from "../runtime/session.ts";
import { encodePrompted, type PromptLayout } from "../text/prompt.ts";
import type { Tokenizer } from "../text/tokenizer-file.ts";

/** What the base model is called: the answer where no skill fits, and what every other answer than a skill's name means. */
export const otherSkill = "other";

/** The system prompt of the first pass. A skill that dispatches is trained on it. */
export const dispatchPrompt = (names: readonly string[]): string =>
  `Which skill does the question need? Do not answer the question. Say one of these words and nothing else: ${[...names, otherSkill].join(", ")}.`;

const boxed = /\\boxed\{([^}]*)\}/;

/**
 * The skill that an answer names, in the paper's \boxed{…} or alone; anything else is `otherSkill`. Where an answer was cut off, only what is
 * in a box counts: the rest might have gone on.
 */
export function parseSkill(answer: string, names: readonly string[], { isCut = false } = {}): string {
  const said = (boxed.exec(answer)?.[1] ?? (isCut ? "" : answer)).trim().replace(/^["'`*]+|["'`*.!]+$/g, "");
  return names.find((name) => name.toLowerCase() === said.trim().toLowerCase()) ?? otherSkill;
}

export type Choice = {
  readonly skill: string;
  /** What the model wrote. */
  readonly said: string;
  /** Tokens that were read for it now: none where it was remembered, or where the question does not fit. */
  readonly inputTokens: number;
  /** Milliseconds that this choice took now, compiling left out: next to none where it was remembered. */
  readonly ms: number;
  readonly isRemembered: boolean;
};

type Chosen = Pick<Choice, "skill" | "said">;
type Asked = Chosen & Pick<Choice, "inputTokens">;

/** Owns sessions: close it. */
export type FirstPass = AsyncDisposable & {
  /** Which skill a question needs. One that does not fit the model's context beside the prompt goes to the base model. */
  choose(input: string, signal?: AbortSignal): Promise<Choice>;
  /** The same of many questions at once, in their order: faster where no time of one is wanted. */
  chooseMany(inputs: readonly string[], signal?: AbortSignal): Promise<Omit<Choice, "ms">[]>;
};

export type FirstPassOptions = Pick<CompileOptions, "threads" | "device"> & {
  /** Choices that are remembered; the one asked for longest ago is forgotten first. */
  readonly remembered?: number;
  readonly now?: () => number;
};

const defaultRemembered = 1000;
/** Tokens beside the longest name: for \boxed{} and an end token. */
const spareTokens = 8;

/** `change`: of the skill that dispatches; without it the base model does. Sessions are compiled at the first question that needs them. */
export function createFirstPass(
  {
    model,
    change,
    tokenizer,
    layout,
  }: {
    readonly model: FrozenModel;
    readonly change?: StepChange | undefined;
    readonly tokenizer: Tokenizer;
    readonly layout: PromptLayout;
  },
  names: readonly string[],
  { threads = 0, device = "cpu", remembered = defaultRemembered, now = () => performance.now() }: FirstPassOptions = {},
): FirstPass {
  const prompt = dispatchPrompt(names);
  const maxTokens = spareTokens + Math.max(...[...names, otherSkill].map((name) => tokenizer.encode(name).length));
  const known = new Map<string, Chosen>();
  let decoder: Promise<Decoder> | undefined;
  let many: Promise<BatchDecoder> | undefined;
  const how = { threads, ...(change === undefined ? {} : { change }) };

  const open = (): Promise<Decoder> => {
    decoder ??= createDecoder(model, { ...how, device });
    return decoder;
  };
  const openMany = (): Promise<BatchDecoder> => {
    many ??= createBatchDecoder(model, how);
    return many;
  };
  const encode = (input: string): number[] => encodePrompted(tokenizer, layout, { prompt, input });

  async function ask(
    opened: Pick<Decoder | BatchDecoder, "generate">,
    ids: readonly number[],
    signal: AbortSignal | undefined,
    held?: () => SavedPositions,
  ): Promise<Asked> {
    if (ids.length + maxTokens > model.config.context) return { skill: otherSkill, said: "", inputTokens: 0 };
    const { text = "", finish } = await opened.generate(ids, { maxTokens, tokenizer, signal, held });
    requireRunning(signal);
    const skill = parseSkill(text, names, { isCut: finish !== "stop" });
    return { skill, said: text, inputTokens: ids.length };
  }

  /** Each of these questions once, all at once; what they begin with is read once for all of them. */
  async function askMany(inputs: readonly string[], signal: AbortSignal | undefined): Promise<Asked[]> {
    if (device !== "cpu" || inputs.length < 2) {
      const all: Asked[] = [];
      for (const input of inputs) all.push(await ask(await open(), encode(input), signal));
      return all;
    }
    const opened = await openMany();
    const questions = inputs.map(encode);
    const saved = await opened.read(questions[0]!.slice(0, commonLength(questions)));
    const asked = questions.map((ids) => ask(opened, ids, signal, () => saved));
    await Promise.allSettled(asked);
    return Promise.all(asked);
  }

  function remember(key: string, choice: Chosen): void {
    known.delete(key);
    known.set(key, choice); // the last one is the one used last
    if (known.size > remembered) known.delete(known.keys().next().value!);
  }

  return {
    async choose(input, signal) {
      const key = sha256(input);
      const before = known.get(key);
      const asked = before === undefined ? await open() : undefined;
      const from = now();
      const { inputTokens, ...choice } = asked
        ? await ask(asked, encode(input), signal)
        : { ...before!, inputTokens: 0 };
      remember(key, choice);
      return { ...choice, inputTokens, ms: now() - from, isRemembered: before !== undefined };
    },
    async chooseMany(inputs, signal) {
      const unknown = [...new Set(inputs)].filter((input) => !known.has(sha256(input)));
      const asked = await askMany(unknown, signal);
      const fresh = new Map(unknown.map((input, i) => [input, asked[i]!]));
      const before = new Map(inputs.map((input) => [input, known.get(sha256(input))]));
      return inputs.map((input) => {
        const isRemembered = !fresh.has(input);
        const { inputTokens, ...choice } = fresh.get(input) ?? { ...before.get(input)!, inputTokens: 0 };
        before.set(input, choice);
        fresh.delete(input); // once more, it is remembered
        remember(sha256(input), choice);
        return { ...choice, inputTokens, isRemembered };
      });
    },
    async [Symbol.asyncDispose]() {
      await (await decoder)?.close();
      await (await many)?.[Symbol.asyncDispose]();
    },
  };
}
