/** @file Answering in two passes: one chooses a skill, one answers with it; or with a mixture that was found before. */
import { createDecoder, type Decoder, type Generated, type GenerateOptions } from "../decode/decoder.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import type { CompileOptions } from "../runtime/session.ts";
import { encodeInput, encodePrompted, type PromptLayout } from "../text/prompt.ts";
import type { Tokenizer } from "../text/tokenizer-file.ts";
import { type FirstPass, otherSkill } from "./first-pass.ts";
import { everywhere, type Shares, type SkillPool } from "./skill-pool.ts";

export type TwoPassAnswer = {
  /** By what it was answered: a skill, "other" for the base model, "mixture". */
  readonly skill: string;
  readonly text: string;
  readonly finish: Generated["finish"];
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly ms: { readonly first: number; readonly second: number };
};

/** Owns sessions: close it. */
export type TwoPass = AsyncDisposable & {
  /** One question at a time; a second one waits. */
  answer(input: string, options?: GenerateOptions): Promise<TwoPassAnswer>;
};

export type TwoPassOptions = Pick<CompileOptions, "threads" | "device"> & {
  /** In front of every question in the second pass. */
  readonly prompt?: string | undefined;
};

/**
 * Skills lie beside the weights; where none answers, the base model's own weights do.
 * @param by the first pass, which the caller closes, or shares of a mixture
 */
export function createTwoPass(
  subject: { readonly model: FrozenModel; readonly tokenizer: Tokenizer; readonly layout: PromptLayout },
  pool: SkillPool,
  by: FirstPass | { readonly shares: Shares },
  { threads = 0, device = "cpu", prompt }: TwoPassOptions = {},
): TwoPass {
  const { model, tokenizer, layout } = subject;
  const { change, steer } = pool.steered();
  const opened: { plain?: Promise<Decoder>; skilled?: Promise<Decoder> } = {};
  let turn: Promise<unknown> = Promise.resolve();

  async function choose(input: string, signal: AbortSignal | undefined) {
    if ("shares" in by) return { skill: "mixture", shares: by.shares, ms: 0 };
    const { skill, ms } = await by.choose(input, signal);
    const own = pool.names.map((name) => Number(name === skill));
    return { skill, shares: everywhere(pool.layers, own), ms };
  }

  async function decoderOf(skill: string, shares: Shares): Promise<Decoder> {
    if (skill === otherSkill) {
      opened.plain ??= createDecoder(model, { threads, device });
      return opened.plain;
    }
    steer(shares);
    opened.skilled ??= createDecoder(model, { threads, device, change, reusePrefix: false });
    return opened.skilled;
  }

  async function answer(input: string, options: GenerateOptions): Promise<TwoPassAnswer> {
    const { skill, shares, ms } = await choose(input, options.signal);
    const ids =
      prompt === undefined
        ? encodeInput(tokenizer, layout, input)
        : encodePrompted(tokenizer, layout, { prompt, input });
    const decoder = await decoderOf(skill, shares);
    const {
      text = "",
      finish,
      inputTokens,
      outputTokens,
      ms: took,
    } = await decoder.generate(ids, { ...options, tokenizer });
    return { skill, text, finish, inputTokens, outputTokens, ms: { first: ms, second: took.prefill + took.decode } };
  }

  return {
    answer(input, options = {}) {
      const result = turn.then(() => answer(input, options));
      turn = result.catch(() => undefined);
      return result;
    },
    async [Symbol.asyncDispose]() {
      await turn;
      for (const decoder of [opened.plain, opened.skilled]) await (await decoder)?.close();
    },
  };
}
