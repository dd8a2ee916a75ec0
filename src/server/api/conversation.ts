/** @file Messages of a chat as the models were trained to read them: a prompt, turns before, and an input. */
import { timingSafeEqual } from "node:crypto";
import { AppError } from "../../base/errors.ts";
import { hmacSha256 } from "../../base/hash.ts";
import type { EdgePair } from "../../pair/pair.ts";
import { encodeCloudPrompt, encodeConversation } from "../../text/prompt.ts";
import type { ServedModel, SpecializedModel } from "../models.ts";
import { requireReadable } from "./readable.ts";
import type { ChatRequest } from "./schemas.ts";

type Message = ChatRequest["messages"][number];
export type Conversation = {
  readonly prompt: string | undefined;
  readonly history: readonly { readonly input: string; readonly output: string }[];
  readonly input: string;
};

const textOf = ({ content }: Message): string =>
  typeof content === "string" ? content : content.map(({ text }) => text).join("");

/** Throws E_USAGE where messages do not take turns, or the last one is not the user's. */
export function readMessages(messages: ChatRequest["messages"]): Conversation {
  const isPrompt = ({ role }: Message): boolean => role === "system" || role === "developer";
  const first = messages.findIndex((message) => !isPrompt(message));
  const prompts = messages.slice(0, first < 0 ? messages.length : first).map(textOf);
  const rest = first < 0 ? [] : messages.slice(first);
  const refuse = (expected: string, i: number): never => {
    throw new AppError(
      "E_USAGE",
      `messages.${prompts.length + i}: expected ${expected}, found ${rest[i]?.role ?? "none"}`,
    );
  };
  rest.forEach(({ role }, i) => {
    const wanted = i % 2 === 0 ? "user" : "assistant";
    if (role !== wanted) refuse(`a message of the ${wanted}: after system messages the two take turns`, i);
  });
  if (rest.length % 2 === 0) refuse("a message of the user at the end", rest.length);
  const history = Array.from({ length: (rest.length - 1) / 2 }, (_, i) => ({
    input: textOf(rest[2 * i]!),
    output: textOf(rest[2 * i + 1]!),
  }));
  return { prompt: prompts.length === 0 ? undefined : prompts.join("\n\n"), history, input: textOf(rest.at(-1)!) };
}

export type Encoded = {
  readonly ids: readonly number[];
  /** How many tokens at the beginning are a prompt that may come again. */
  readonly prefixTokens: number;
  /** Tokens of the prompt that the specialisation stands for, which nobody had to read. */
  readonly tokensSaved: number;
};

type Texts = Pick<EdgePair, "tokenizer" | "layout" | "edge">;

/**
 * What a model is to read of a conversation, its own prompt in front where it has one. A specialised model reads no prompt: where one is sent, it must be the one that it stands for.
 * @throws E_USAGE where it is another one, or nobody can tell
 */
export function readBy(
  { id, specialized }: ServedModel,
  conversation: Conversation,
  secret: Uint8Array | undefined,
): Conversation {
  if (specialized === undefined) return conversation;
  if (conversation.prompt !== undefined) requireOwnPrompt(id, conversation.prompt, specialized, secret);
  return { ...conversation, prompt: specialized.prompt };
}

/** The tokens of what a model reads. Throws E_PROMPT; E_LIMIT for what cannot fit it. */
export function encodeRead(
  { tokenizer, layout, edge }: Texts,
  conversation: Conversation,
  { specialized }: Pick<ServedModel, "specialized"> = {},
): Encoded {
  const { prompt, history, input } = conversation;
  const turns = history.flatMap((turn) => [turn.input, turn.output]);
  requireReadable({ tokenizer, edge }, [prompt ?? "", ...turns, input]);
  const ids = encodeConversation(tokenizer, layout, conversation);
  if (prompt === undefined) return { ids, prefixTokens: 0, tokensSaved: specialized?.promptTokens ?? 0 };
  const head = encodeCloudPrompt(tokenizer, layout, prompt);
  let prefixTokens = 0;
  while (prefixTokens < head.length && head[prefixTokens] === ids[prefixTokens]) prefixTokens++;
  const isPart = specialized?.rung === "residual";
  return { ids, prefixTokens, tokensSaved: isPart ? Math.max(0, specialized.promptTokens - head.length) : 0 };
}

function requireOwnPrompt(
  id: string,
  prompt: string,
  { rung, prompt: kept, promptHmac }: SpecializedModel,
  secret: Uint8Array | undefined,
): void {
  if (kept !== undefined && rung !== "residual") {
    if (prompt === kept) return;
    throw new AppError("E_USAGE", `messages: the system message is not the prompt that ${id} stands for; leave it out`);
  }
  const instead = `leave the system message out, or ask the base model with it`;
  if (promptHmac === undefined || secret === undefined)
    throw new AppError(
      "E_USAGE",
      `messages: a system message was sent to ${id}, which stands for a prompt that it does not name (it is anonymous), so the two cannot be compared; ${instead}`,
    );
  const found = hmacSha256(secret, prompt);
  if (!timingSafeEqual(Buffer.from(found, "hex"), Buffer.from(promptHmac, "hex")))
    throw new AppError(
      "E_USAGE",
      `messages: the system message is not the prompt that ${id} stands for, and a specialised model reads no other; ${instead}`,
    );
}
