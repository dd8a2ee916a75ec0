/** @file A prompt longer than the cloud model's context: refused with the count, or shortened on request. */
import { AppError } from "../base/errors.ts";
import { longestToken } from "./longest-token.ts";
import { checkPrompt, cloudHead, type PromptLayout } from "./prompt.ts";
import type { Tokenizer } from "./tokenizer-file.ts";

export type FittedPrompt = {
  /** Head and prompt; the meta tokens come behind them. */
  ids: number[];
  /** Tokens of head and prompt before anything was dropped. */
  tokens: number;
  droppedExamples: number;
  /** Tokens dropped besides: from the middle of what was left without those examples, or from the left. */
  droppedTokens: number;
};

const EXAMPLE_START = /\n\n(?=Input: )/;

/** Where an over-long prompt is shortened: in its middle, or at its beginning. */
export const truncateModes = ["middle", "left"] as const;
export type TruncateMode = (typeof truncateModes)[number];

/**
 * The cloud model's tokens for a prompt in at most `maxTokens` (the context without the room for meta tokens).
 * A longer prompt is E_PROMPT with both counts; one that cannot fit, with its characters, before it is read. With `truncate` "middle" or true, examples are dropped from the middle on
 * until the first and the last are left, and if that is not enough, tokens from the middle, so that head and tail stay;
 * with "left", the prompt's last tokens are kept.
 */
export function fitPrompt(
  tokenizer: Tokenizer,
  layout: PromptLayout,
  prompt: string,
  {
    maxTokens,
    truncate = false,
    truncateName = "truncate",
  }: {
    maxTokens: number;
    truncate?: boolean | TruncateMode;
    /** What the caller knows `truncate` by, such as a flag: for the message that refuses a longer prompt. */
    truncateName?: string | undefined;
  },
): FittedPrompt {
  checkPrompt(prompt);
  const head = cloudHead(tokenizer, layout);
  const room = maxTokens - head.length;
  if (room < 1)
    throw new AppError("E_PROMPT", `system prompt: expected room for a prompt, found a context of ${maxTokens} tokens`);
  const refuse = (found: string): never => {
    throw new AppError(
      "E_PROMPT",
      `system prompt: expected at most ${maxTokens} tokens, found ${found}; ${truncateName} shortens it`,
    );
  };
  if (!truncate && prompt.length > room * longestToken(tokenizer))
    refuse(`${prompt.length} characters, which are more`); // no time is spent on its tokens
  const whole = tokenizer.encode(prompt);
  const tokens = head.length + whole.length;
  if (whole.length <= room) return { ids: [...head, ...whole], tokens, droppedExamples: 0, droppedTokens: 0 };
  if (!truncate) refuse(`${tokens}`);
  if (truncate === "left")
    return { ids: [...head, ...whole.slice(-room)], tokens, droppedExamples: 0, droppedTokens: whole.length - room };
  const { body, droppedExamples } = dropExamples(tokenizer, prompt, { whole, room });
  const droppedTokens = Math.max(0, body.length - room);
  const kept = Math.ceil(room / 2);
  const cut = droppedTokens === 0 ? body : [...body.slice(0, kept), ...body.slice(body.length - (room - kept))];
  return { ids: [...head, ...cut], tokens, droppedExamples, droppedTokens };
}

type Shortened = { body: number[]; droppedExamples: number };

/**
 * The prompt without the fewest middle examples that must go for `room` tokens; the first and the last stay, so it may
 * be too long still. How many that is follows from the examples' own token counts nearly, and exactly from the whole
 * encoded a few times around that guess: the work grows with the prompt, not with its square.
 */
function dropExamples(
  tokenizer: Tokenizer,
  prompt: string,
  { whole, room }: { whole: number[]; room: number },
): Shortened {
  const parts = prompt.split(EXAMPLE_START);
  const before = parts[0]!.startsWith("Input: ") ? [] : parts.splice(0, 1);
  const most = parts.length - 2;
  if (most < 1) return { body: whole, droppedExamples: 0 };
  /** Which examples are gone when `count` are, taken one by one from the middle of what is left: [from, to). */
  const gap = (count: number): readonly [number, number] => {
    const from = Math.ceil((parts.length - count) / 2);
    return [from, from + count];
  };
  const without = (count: number): number[] => {
    const [from, to] = gap(count);
    return tokenizer.encode([...before, ...parts.slice(0, from), ...parts.slice(to)].join("\n\n"));
  };
  let [tooFew, enough] = [0, most];
  let body: number[] | undefined;
  let count = Math.min(guess(), most - 1);
  for (let stride = 1; enough - tooFew > 1; stride *= 2) {
    const ids = without(count);
    if (ids.length <= room) [enough, body] = [count, ids];
    else tooFew = count;
    const middle = Math.floor((tooFew + enough) / 2);
    count = enough === count ? Math.max(enough - stride, middle) : Math.min(tooFew + stride, middle);
  }
  return { body: body ?? without(enough), droppedExamples: enough };

  /** The fewest that are enough where every example costs what it costs alone. */
  function guess(): number {
    const ends = [0];
    for (const part of parts) ends.push(ends.at(-1)! + tokenizer.encode(`\n\n${part}`).length);
    for (let dropped = 1; dropped < most; dropped++) {
      const [from, to] = gap(dropped);
      if (whole.length - (ends[to]! - ends[from]!) <= room) return dropped;
    }
    return most;
  }
}
