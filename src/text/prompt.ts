/** @file Prompt assembly: how a system prompt, an input and an answer become tokens of the cloud and the edge model. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** How the parts are set apart: by special tokens of the pair's own tokenizer, or in words for any other. */
export const PromptLayout = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("special-tokens"),
    begin: z.string(),
    system: z.string(),
    user: z.string(),
    assistant: z.string(),
    end: z.string(),
    meta: z.string().optional(),
  }),
  z.strictObject({ kind: z.literal("plain"), beforeInput: z.string(), beforeOutput: z.string() }),
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
  if (layout.kind === "plain") return tokenizer.encode(`${prompt}${plainInput(layout, input)}`, { addSpecial: true });
  return [...encodeCloudPrompt(tokenizer, layout, prompt), ...encodeTurn(tokenizer, layout, input)];
}

/** Edge model without a prompt, base or specialised: `<s><|user|>INPUT<|assistant|>`. */
export function encodeInput(tokenizer: Tokenizer, layout: PromptLayout, input: string): number[] {
  if (layout.kind === "plain") return tokenizer.encode(plainInput(layout, input).trimStart(), { addSpecial: true });
  return [special(tokenizer, layout.begin), ...encodeTurn(tokenizer, layout, input)];
}

/** What follows the input: the answer and the end token. */
export function encodeTarget(tokenizer: Tokenizer, layout: PromptLayout, target: string): number[] {
  if (layout.kind === "special-tokens") return [...tokenizer.encode(target), special(tokenizer, layout.end)];
  const opening = layout.beforeOutput.trimStart();
  const ids = tokenizer.encode(`${opening} ${target}`).slice(tokenizer.encode(opening).length);
  return tokenizer.eosId === undefined ? ids : [...ids, tokenizer.eosId];
}

/** Cloud model: `<s><|system|>PROMPT`, then `<meta>` as often as asked where the layout has such a token. Throws E_PROMPT. */
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
  if (layout.kind === "plain") return tokenizer.bosId === undefined ? [] : [tokenizer.bosId];
  return [special(tokenizer, layout.begin), special(tokenizer, layout.system)];
}

/** `count` meta tokens; none in a layout without them. */
export function encodeMeta(tokenizer: Tokenizer, layout: PromptLayout, count: number): number[] {
  if (layout.kind === "plain" || layout.meta === undefined) return [];
  return new Array<number>(count).fill(special(tokenizer, layout.meta));
}

/** Throws E_PROMPT for a prompt without text. */
export function checkPrompt(prompt: string): void {
  if (prompt.trim() === "") throw new AppError("E_PROMPT", "system prompt: expected text, found none");
}

type PlainLayout = Extract<PromptLayout, { kind: "plain" }>;
type SpecialLayout = Extract<PromptLayout, { kind: "special-tokens" }>;

const plainInput = (layout: PlainLayout, input: string): string =>
  `${layout.beforeInput}${input}${layout.beforeOutput}`;

const encodeTurn = (tokenizer: Tokenizer, layout: SpecialLayout, input: string): number[] => [
  special(tokenizer, layout.user),
  ...tokenizer.encode(input),
  special(tokenizer, layout.assistant),
];

function special(tokenizer: Tokenizer, token: string): number {
  const id = tokenizer.tokenId(token);
  if (id === undefined)
    throw new AppError("E_CONFIG", `prompt layout: expected the tokenizer to have ${JSON.stringify(token)}`);
  return id;
}
