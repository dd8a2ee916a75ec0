/** @file Prompts laid out by a model's own chat template, token for token as the model was trained. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { type ChatMessage, renderChat, type TemplateTokens } from "./chat-template.ts";
import type { Tokenizer } from "./tokenizer-file.ts";

export const ChatLayout = z.strictObject({
  kind: z.literal("chat-template"),
  /** Which of several templates; the one named "default" otherwise. */
  template: z.string().max(100).optional(),
  /** Where a system prompt goes: a message of its own, or in front of the first input for models without that role. */
  system: z.enum(["role", "user"]).optional(),
  /** A system prompt that the template writes where none is given: kept, or an input is written like a later turn's. */
  defaultSystem: z.enum(["keep", "omit"]).optional(),
  /** The day that templates ask for; a fixed one keeps tokens the same for ever. */
  date: z.iso.date().optional(),
  /** The meta token, where it is not the one that the vocabulary reserves. */
  meta: z.string().max(4096).optional(),
});
export type ChatLayout = z.infer<typeof ChatLayout>;

export const CHAT_TEMPLATE_LAYOUT = { kind: "chat-template" } as const satisfies ChatLayout;

export type ChatTurn = { readonly input: string; readonly output: string };

/** Turns, and an input that the model is to answer. */
export type Chat = {
  readonly prompt?: string | undefined;
  readonly history?: readonly ChatTurn[];
  readonly input: string;
  /** The same turns where tools were called: results as messages of their own, which some templates know. */
  readonly withResults?: readonly ChatMessage[] | undefined;
};

/** A conversation up to where the model answers `input`. */
export function encodeChat(tokenizer: Tokenizer, layout: ChatLayout, chat: Chat): number[] {
  const { prompt, history = [], input, withResults } = chat;
  const turns = withResults !== undefined && knowsResults(tokenizer, layout) ? withResults : turnsOf(history, input);
  const messages = behindPrompt(layout, prompt, turns);
  if (prompt === undefined && layout.defaultSystem === "omit") return encodeAsLaterTurn(tokenizer, layout, messages);
  return encodeMessages(tokenizer, layout, messages, true);
}

/**
 * Whether a template writes what tools give back in a way of its own, as models that were trained with tools read it. Templates that do not
 * know the role refuse it, leave it out, or write it as any other word.
 */
function knowsResults(tokenizer: TemplateTokens, layout: ChatLayout): boolean {
  const written = (role: string): string | undefined => {
    const result = { role: role as ChatMessage["role"], content: PROBE };
    try {
      return render(tokenizer, layout, [...turnsOf([], PROBE_INPUT), ANSWER, result], true);
    } catch (error) {
      if (error instanceof AppError) return undefined;
      throw error;
    }
  };
  const result = written("tool");
  return result?.includes(PROBE) === true && result !== written(UNHEARD)?.replaceAll(UNHEARD, "tool");
}

/** What follows an input: the answer and the token that ends the turn. */
export function encodeChatTarget(tokenizer: Tokenizer, layout: ChatLayout, target: string): number[] {
  const endId = turnEnd(tokenizer, layout);
  const rest = encodeAnswer(tokenizer, layout, target);
  const ids = rest === undefined || endId === undefined ? rest : rest.slice(0, rest.lastIndexOf(endId) + 1);
  if (ids !== undefined && endId !== undefined && ids.length > 0) return ids;
  return [...(ids ?? tokenizer.encode(target)), ...[endId ?? tokenizer.eosId].filter((id) => id !== undefined)];
}

/** A conversation as the template goes on with it behind an earlier turn: without its default system prompt. */
const encodeAsLaterTurn = (tokenizer: Tokenizer, layout: ChatLayout, messages: readonly ChatMessage[]): number[] =>
  encodeText(tokenizer, messages, (written) => laterTurnText(tokenizer, layout, written));

/** The same as text, up to where it is answered. Throws E_CONFIG for a template that rewrites earlier turns. */
export function laterTurnText(tokenizer: TemplateTokens, layout: ChatLayout, messages: readonly ChatMessage[]): string {
  const before: ChatMessage[] = [
    { role: "user", content: PROBE_INPUT },
    { role: "assistant", content: PROBE },
  ];
  const behindAnswer = (later: readonly ChatMessage[], open: boolean) => {
    const text = render(tokenizer, layout, [...before, ...later], open);
    const at = text.indexOf(PROBE);
    return at < 0 ? undefined : text.slice(at + PROBE.length);
  };
  const turnEnd = behindAnswer([], false);
  const rest = behindAnswer(messages, true);
  if (turnEnd === undefined || !rest?.startsWith(turnEnd))
    throw new AppError("E_CONFIG", "prompt layout: the chat template writes earlier turns differently from the last");
  const turns = rest.slice(turnEnd.length);
  const begin = tokenizer.namedTokens["bos_token"];
  const begins = begin !== undefined && render(tokenizer, layout, messages, true).startsWith(begin);
  return begins && !turns.startsWith(begin) ? `${begin}${turns}` : turns;
}

/** What follows an answer: the next input up to where it is answered. Throws E_CONFIG for a template that rewrites earlier turns. */
export function encodeLaterChat(tokenizer: Tokenizer, layout: ChatLayout, input: string): number[] {
  const before = [
    ...encodeChat(tokenizer, layout, { input: PROBE_INPUT }),
    ...encodeChatTarget(tokenizer, layout, PROBE_OUTPUT),
  ];
  const history = [{ input: PROBE_INPUT, output: PROBE_OUTPUT }];
  const rest = behind(before, encodeChat(tokenizer, layout, { history, input }));
  if (rest === undefined)
    throw new AppError("E_CONFIG", "prompt layout: the chat template writes earlier turns differently from the last");
  return rest;
}

/** The tokens before a system prompt. */
export function encodeChatHead(tokenizer: Tokenizer, layout: ChatLayout): number[] {
  const text = render(tokenizer, layout, chatMessages(layout, PROBE, [], PROBE_INPUT), true);
  const at = text.indexOf(PROBE);
  if (at < 0) throw new AppError("E_CONFIG", "prompt layout: the chat template leaves the system prompt out");
  return at === 0 ? [] : tokenizer.encode(text.slice(0, at), { parseSpecial: true });
}

/** Stand-ins for what a template writes around; the first occurs in no template's own words. */
const PROBE = "\uFDD0";
const PROBE_INPUT = "Hello";
const PROBE_OUTPUT = "Hi";
const ANSWER: ChatMessage = { role: "assistant", content: PROBE_OUTPUT };
/** A role that no template knows. */
const UNHEARD = "utensil";

const turnsOf = (history: readonly ChatTurn[], input: string): ChatMessage[] => [
  ...history.flatMap(({ input, output }): ChatMessage[] => [
    { role: "user", content: input },
    { role: "assistant", content: output },
  ]),
  { role: "user", content: input },
];

const chatMessages = (layout: ChatLayout, prompt: string | undefined, history: readonly ChatTurn[], input: string) =>
  behindPrompt(layout, prompt, turnsOf(history, input));

function behindPrompt(
  { system = "role" }: ChatLayout,
  prompt: string | undefined,
  messages: readonly ChatMessage[],
): readonly ChatMessage[] {
  if (prompt === undefined) return messages;
  if (system === "role") return [{ role: "system", content: prompt }, ...messages];
  const [first, ...later] = messages;
  return [{ role: "user", content: `${prompt}\n\n${first!.content}` }, ...later];
}

const render = (
  tokenizer: TemplateTokens,
  layout: ChatLayout,
  messages: readonly ChatMessage[],
  open: boolean,
): string =>
  renderChat(tokenizer, messages, {
    addGenerationPrompt: open,
    date: layout.date,
    ...(layout.template === undefined ? {} : { template: layout.template }),
  });

/** The tokens behind the opening of an answer; undefined where a finished answer is written differently from an open one. */
function encodeAnswer(tokenizer: Tokenizer, layout: ChatLayout, target: string): number[] | undefined {
  const question = chatMessages(layout, undefined, [], PROBE_INPUT);
  const answered: ChatMessage[] = [...question, { role: "assistant", content: target }];
  return behind(encodeMessages(tokenizer, layout, question, true), encodeMessages(tokenizer, layout, answered, false));
}

/** The special token behind an answer. */
function turnEnd(tokenizer: Tokenizer, layout: ChatLayout): number | undefined {
  const special = new Set(tokenizer.specialTokens.values());
  return encodeAnswer(tokenizer, layout, PROBE_OUTPUT)?.find((id) => special.has(id));
}

const behind = (start: readonly number[], ids: readonly number[]): number[] | undefined =>
  start.every((id, i) => ids[i] === id) ? ids.slice(start.length) : undefined;

const encodeMessages = (
  tokenizer: Tokenizer,
  layout: ChatLayout,
  messages: readonly ChatMessage[],
  open: boolean,
): number[] => encodeText(tokenizer, messages, (written) => render(tokenizer, layout, written, open));

/** The tokens of the text that `write` makes of the messages. */
function encodeText(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  write: (messages: readonly ChatMessage[]) => string,
): number[] {
  const specials = [...tokenizer.specialTokens.keys()];
  const written = messages.filter(({ content }) => specials.some((token) => content.includes(token)));
  if (written.length === 0) return tokenizer.encode(write(messages), { parseSpecial: true });
  return encodeShielded(tokenizer, specials, messages, write);
}

/** Marks set between characters so that a special token a user wrote is none to the template's text around it. */
const MARKS = Array.from({ length: 31 }, (_, i) => String.fromCharCode(0xfdd1 + i)); // noncharacters

/** Special tokens that the template writes become tokens; those within the messages stay text. */
function encodeShielded(
  tokenizer: Tokenizer,
  specials: readonly string[],
  messages: readonly ChatMessage[],
  write: (messages: readonly ChatMessage[]) => string,
): number[] {
  const mark = MARKS.find((candidate) => messages.every(({ content }) => !content.includes(candidate)));
  if (mark === undefined)
    throw new AppError("E_PROMPT", "messages: expected text, found every noncharacter of Unicode");
  const longestFirst = specials.toSorted((a, b) => b.length - a.length);
  const either = longestFirst.map((token) => token.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|");
  const written = new RegExp(either, "g");
  const shield = (content: string) => content.replace(written, (token) => [...token, ""].join(mark));
  const text = write(messages.map(({ role, content }) => ({ role, content: shield(content) })));
  const pieces = text.split(new RegExp(`(${either})(?!${mark})`));
  return pieces.flatMap((piece, i) => {
    if (i % 2 === 1) return [tokenizer.specialTokens.get(piece)!];
    return piece === "" ? [] : tokenizer.encode(piece.replaceAll(mark, ""));
  });
}
