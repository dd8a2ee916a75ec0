/** @file The first pass of Transformer²: a model names the skill that a question needs, before another pass answers it. */
import { sha256 } from "../base/hash.ts";
import { requireRunning } from "../base/interrupt.ts";
import type { StepChange } from "../decode/cached-model.ts";
import { createDecoder, type Decoder } from "../decode/decoder.ts";
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

/** Owns a session: close it. */
export type FirstPass = AsyncDisposable & {
  /** Which skill a question needs. One that does not fit the model's context beside the prompt goes to the base model. */
  choose(input: string, signal?: AbortSignal): Promise<Choice>;
};

export type FirstPassOptions = Pick<CompileOptions, "threads" | "device"> & {
  /** Choices that are remembered; the one asked for longest ago is forgotten first. */
  readonly remembered?: number;
  readonly now?: () => number;
};

const defaultRemembered = 1000;
/** Tokens beside the longest name: for \boxed{} and an end token. */
const spareTokens = 8;

/** `change`: of the skill that dispatches; without it the base model does. The decoder is compiled at the first question. */
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

  const open = (): Promise<Decoder> => {
    decoder ??= createDecoder(model, { threads, device, ...(change === undefined ? {} : { change }) });
    return decoder;
  };

  async function ask(
    opened: Decoder,
    input: string,
    signal: AbortSignal | undefined,
  ): Promise<Chosen & Pick<Choice, "inputTokens">> {
    const ids = encodePrompted(tokenizer, layout, { prompt, input });
    if (ids.length + maxTokens > model.config.context) return { skill: otherSkill, said: "", inputTokens: 0 };
    const { text = "", finish } = await opened.generate(ids, { maxTokens, tokenizer, signal });
    requireRunning(signal);
    const skill = parseSkill(text, names, { isCut: finish !== "stop" });
    return { skill, said: text, inputTokens: ids.length };
  }

  return {
    async choose(input, signal) {
      const key = sha256(input);
      const before = known.get(key);
      const asked = before === undefined ? await open() : undefined;
      const from = now();
      const { inputTokens, ...choice } = asked ? await ask(asked, input, signal) : { ...before!, inputTokens: 0 };
      known.delete(key);
      known.set(key, choice); // the last one is the one used last
      if (known.size > remembered) known.delete(known.keys().next().value!);
      return { ...choice, inputTokens, ms: now() - from, isRemembered: before !== undefined };
    },
    [Symbol.asyncDispose]: async () => (await decoder)?.close(),
  };
}
