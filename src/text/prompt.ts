/** @file Prompt assembly: how a system prompt, an input and an answer become tokens of the cloud and the edge model. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import {
  type Chat,
  ChatLayout,
  type ChatTurn,
  encodeChat,
  encodeChatHead,
  encodeChatTarget,
  encodeLaterChat,
} from "./chat-layout.ts";
import { findMetaToken } from "./meta-token.ts";
import type { Tokenizer } from "./tokenizer-file.ts";

/** A layout's words are encoded with every prompt and every input. */
const layoutText = z.string().max(4096);

/** How the parts are set apart: by special tokens of the pair's own tokenizer, by a model's chat template, or in words. */
export const PromptLayout = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("special-tokens"),
    begin: layoutText,
    system: layoutText,
    user: layoutText,
    assistant: layoutText,
    end: layoutText,
    meta: layoutText.optional(),
  }),
  z.strictObject({
    kind: z.literal("plain"),
    beforeInput: layoutText,
    beforeOutput: layoutText,
    /** Whether the end token stands behind an answer; it does where nothing is said. */
    endsAnswers: z.exactOptional(z.boolean()),
  }),
  ChatLayout,
]);
export type PromptLayout = z.infer<typeof PromptLayout>;

export const SPECIAL_TOKEN_LAYOUT = {
  kind: "special-tokens",
  begin: "<s>",
  system: "<|system|>",
  user: "<|user|>",
  assistant: "<|assistant|>",
  end: "</s>",
  meta: "<meta>",
} as const satisfies PromptLayout;
export const PLAIN_LAYOUT = {
  kind: "plain",
  beforeInput: "\n\nInput: ",
  beforeOutput: "\nOutput:",
} as const satisfies PromptLayout;
/** Text that goes on without an end: what trained on questions in plain text reads, as they are asked (`layout` `text` of a task). */
export const TEXT_LAYOUT = {
  kind: "plain",
  beforeInput: "\n\n",
  beforeOutput: "",
  endsAnswers: false,
} as const satisfies PromptLayout;

export type Example = { readonly input: string; readonly target: string };

/** The text of a system prompt with examples: `description`, then `Input: …` and `Output: …` for each. */
export function renderSystemPrompt({
  description,
  examples = [],
}: {
  description?: string;
  examples?: readonly Example[];
}): string {
  const shots = examples.map(({ input, target }) => `Input: ${input}\nOutput: ${target}`);
  return [...(description === undefined ? [] : [description]), ...shots].join("\n\n");
}

/** Edge model with the prompt in its context: `<s><|system|>PROMPT<|user|>INPUT<|assistant|>`. Throws E_PROMPT. */
export function encodePrompted(
  tokenizer: Tokenizer,
  layout: PromptLayout,
  { prompt, input }: { prompt: string; input: string },
): number[] {
  checkPrompt(prompt);
  return encoderOf(tokenizer, layout).prompted(prompt, input);
}

/** Edge model without a prompt, base or specialised: `<s><|user|>INPUT<|assistant|>`. */
export function encodeInput(tokenizer: Tokenizer, layout: PromptLayout, input: string): number[] {
  return encoderOf(tokenizer, layout).input(input);
}

/** A later input of the same conversation, behind the target before it: `<|user|>INPUT<|assistant|>`. */
export function encodeLaterInput(tokenizer: Tokenizer, layout: PromptLayout, input: string): number[] {
  return encoderOf(tokenizer, layout).later(input);
}

/** A conversation up to where the model answers `input`, with a system prompt or without. Throws E_PROMPT. */
export function encodeConversation(
  tokenizer: Tokenizer,
  layout: PromptLayout,
  chat: Chat & { readonly history: readonly ChatTurn[] },
): number[] {
  const { prompt, history, input } = chat;
  if (prompt !== undefined) checkPrompt(prompt);
  if (layout.kind === "chat-template") return encodeChat(tokenizer, layout, chat);
  const { prompted, input: first, later, target } = encoderOf(tokenizer, layout);
  const opening = history[0]?.input ?? input;
  const turns = [prompt === undefined ? first(opening) : prompted(prompt, opening)];
  for (const [i, { output }] of history.entries()) turns.push(target(output), later(history[i + 1]?.input ?? input));
  return turns.flat();
}

/**
 * What follows `encodeCloudPrompt` in `encodePrompted`, for several inputs behind one prompt: `<|user|>INPUT<|assistant|>`.
 * Throws E_PROMPT, and E_CONFIG where the two are not written alike.
 */
export function encodeBehindPrompt(
  tokenizer: Tokenizer,
  layout: PromptLayout,
  { prompt, input }: { prompt: string; input: string },
): number[] {
  checkPrompt(prompt);
  return encoderOf(tokenizer, layout).behind(prompt, input);
}

/** What follows the input: the answer and the end token. */
export function encodeTarget(tokenizer: Tokenizer, layout: PromptLayout, target: string): number[] {
  return encoderOf(tokenizer, layout).target(target);
}

/** Cloud model: `<s><|system|>PROMPT`, then the meta token as often as asked. Throws E_PROMPT. */
export function encodeCloudPrompt(
  tokenizer: Tokenizer,
  layout: PromptLayout,
  prompt: string,
  { metaTokens = 0 } = {},
): number[] {
  checkPrompt(prompt);
  return [...cloudHead(tokenizer, layout), ...tokenizer.encode(prompt), ...encodeMeta(tokenizer, layout, metaTokens)];
}

/** The tokens before a prompt. */
export function cloudHead(tokenizer: Tokenizer, layout: PromptLayout): number[] {
  return encoderOf(tokenizer, layout).head();
}

/**
 * `count` meta tokens: the layout's, else one that the vocabulary reserves, else any token in the place of the
 * generator's own row. None of their embeddings is read.
 */
export function encodeMeta(tokenizer: Tokenizer, layout: PromptLayout, count: number): number[] {
  const named = layout.kind === "plain" ? undefined : layout.meta;
  const id = named === undefined ? findMetaToken(tokenizer).id : special(tokenizer, named);
  return new Array<number>(count).fill(id);
}

/** Throws E_PROMPT for a prompt without text. */
export function checkPrompt(prompt: string): void {
  if (prompt.trim() === "") throw new AppError("E_PROMPT", "system prompt: expected text, found none");
}

/** What a kind of layout must say. */
type Encoder = {
  prompted(prompt: string, input: string): number[];
  input(input: string): number[];
  later(input: string): number[];
  behind(prompt: string, input: string): number[];
  target(target: string): number[];
  head(): number[];
};
type LayoutOf<Kind> = Extract<PromptLayout, { kind: Kind }>;

const encoders: { [Kind in PromptLayout["kind"]]: (tokenizer: Tokenizer, layout: LayoutOf<Kind>) => Encoder } = {
  "special-tokens"(tokenizer, layout) {
    const head = () => [special(tokenizer, layout.begin), special(tokenizer, layout.system)];
    const turn = (input: string) => [
      special(tokenizer, layout.user),
      ...tokenizer.encode(input),
      special(tokenizer, layout.assistant),
    ];
    return {
      prompted: (prompt, input) => [...head(), ...tokenizer.encode(prompt), ...turn(input)],
      input: (input) => [special(tokenizer, layout.begin), ...turn(input)],
      later: turn,
      behind: (_, input) => turn(input),
      target: (target) => [...tokenizer.encode(target), special(tokenizer, layout.end)],
      head,
    };
  },
  plain(tokenizer, { beforeInput, beforeOutput, endsAnswers = true }) {
    const turn = (input: string) => `${beforeInput}${input}${beforeOutput}`;
    return {
      prompted: (prompt, input) => tokenizer.encode(`${prompt}${turn(input)}`, { addSpecial: true }),
      input: (input) => tokenizer.encode(turn(input).trimStart(), { addSpecial: true }),
      later: (input) => tokenizer.encode(turn(input).trimStart()),
      behind: (_, input) => tokenizer.encode(turn(input)),
      target(target) {
        const opening = beforeOutput.trimStart();
        const ids = tokenizer.encode(`${opening} ${target}`).slice(tokenizer.encode(opening).length);
        return endsAnswers && tokenizer.eosId !== undefined ? [...ids, tokenizer.eosId] : ids;
      },
      head: () => (tokenizer.bosId === undefined ? [] : [tokenizer.bosId]),
    };
  },
  "chat-template": (tokenizer, layout) => ({
    prompted: (prompt, input) => encodeChat(tokenizer, layout, { prompt, input }),
    input: (input) => encodeChat(tokenizer, layout, { input }),
    later: (input) => encodeLaterChat(tokenizer, layout, input),
    behind(prompt, input) {
      const before = encodeCloudPrompt(tokenizer, layout, prompt);
      const ids = encodeChat(tokenizer, layout, { prompt, input });
      if (before.some((id, i) => ids[i] !== id))
        throw new AppError("E_CONFIG", "prompt layout: a prompt alone does not begin like a prompt with an input");
      return ids.slice(before.length);
    },
    target: (target) => encodeChatTarget(tokenizer, layout, target),
    head: () => encodeChatHead(tokenizer, layout),
  }),
};

const encoderOf = (tokenizer: Tokenizer, layout: PromptLayout): Encoder =>
  (encoders[layout.kind] as (tokenizer: Tokenizer, layout: PromptLayout) => Encoder)(tokenizer, layout);

function special(tokenizer: Tokenizer, token: string): number {
  const id = tokenizer.tokenId(token);
  if (id === undefined)
    throw new AppError("E_CONFIG", `prompt layout: expected the tokenizer to have ${JSON.stringify(token)}`);
  return id;
}
