/** @file Messages of a chat as the models were trained to read them: a prompt, turns before, and an input. */
import { timingSafeEqual } from "node:crypto";
import { AppError } from "../../base/errors.ts";
import { hmacSha256 } from "../../base/hash.ts";
import { parseJson } from "../../base/json.ts";
import { writeJson } from "../../constraint/json-grammar.ts";
import type { EdgePair } from "../../pair/pair.ts";
import type { ChatTurn } from "../../text/chat-layout.ts";
import type { ChatMessage } from "../../text/chat-template.ts";
import { encodeCloudPrompt, encodeConversation } from "../../text/prompt.ts";
import type { ServedModel, SpecializedModel } from "../models.ts";
import { requireReadable } from "./readable.ts";
import type { ChatRequest } from "./schemas.ts";

type Message = ChatRequest["messages"][number];
export type Conversation = {
  readonly prompt: string | undefined;
  readonly history: readonly ChatTurn[];
  readonly input: string;
  /** Where tools were called: the same turns as they were sent, and with results as messages of their own. */
  readonly tools?: { readonly sent: readonly Message[]; readonly withResults: readonly ChatMessage[] } | undefined;
};

const textOf = (content: Message["content"]): string =>
  typeof content === "string" ? content : (content ?? []).map(({ text }) => text).join("");

/**
 * Throws E_USAGE where messages do not take turns, the last one is not the user's or a tool's, or calls and results do not go together; E_FORMAT for arguments
 * that are no JSON.
 */
export function readMessages(messages: ChatRequest["messages"]): Conversation {
  const isPrompt = ({ role }: Message): boolean => role === "system" || role === "developer";
  const first = messages.findIndex((message) => !isPrompt(message));
  const prompts = messages.slice(0, first < 0 ? messages.length : first).map(({ content }) => textOf(content));
  const { history, input, withResults } = readTurns(messages, prompts.length);
  const prompt = prompts.length === 0 ? undefined : prompts.join("\n\n");
  const hasResults = withResults.some(({ role }) => role === "tool");
  return {
    prompt,
    history,
    input,
    ...(hasResults ? { tools: { sent: messages.slice(prompts.length), withResults } } : {}),
  };
}

/** The turns from a message on: an input and an output in turn, an input last. */
function readTurns(messages: readonly Message[], from: number) {
  const history: ChatTurn[] = [];
  const withResults: ChatMessage[] = [];
  let calls: readonly ReadCall[] = [];
  for (let at = from; ; ) {
    const results = readResults(messages, at, calls);
    at += results.length;
    const next = messages[at];
    if (results.length === 0 && next?.role !== "user")
      refuse(
        at,
        next === undefined
          ? "a message of the user at the end, found none"
          : next.role === "tool"
            ? `the result of a call that the assistant made just before, found one of ${JSON.stringify(next.tool_call_id)}`
            : `a message of the user: after system messages the two take turns, found ${next.role}`,
      );
    withResults.push(...results.map(({ content }): ChatMessage => ({ role: "tool", content })));
    const said = next?.role === "user" ? [textOf(next.content)] : [];
    withResults.push(...said.map((content): ChatMessage => ({ role: "user", content })));
    at += said.length;
    const lines = results.map(({ name, content }) => `Result of ${name}: ${content}`);
    const input = [...(lines.length === 0 ? [] : [lines.join("\n")]), ...said].join("\n\n");
    const answer = messages[at];
    if (answer === undefined) return { history, input, withResults };
    if (answer.role !== "assistant")
      return refuse(at, `a message of the assistant: after system messages the two take turns, found ${answer.role}`);
    calls = readCalls(answer, at);
    const output = [textOf(answer.content), ...calls.map(({ text }) => text)].filter((text) => text !== "").join("\n");
    history.push({ input, output });
    withResults.push({ role: "assistant", content: output });
    at++;
  }
}

function refuse(at: number, what: string): never {
  throw new AppError("E_USAGE", `messages.${at}: expected ${what}`);
}

type ReadCall = { readonly id: string; readonly name: string; readonly text: string };

/** Calls as the models here write them. */
function readCalls({ content, tool_calls: given }: Extract<Message, { role: "assistant" }>, at: number): ReadCall[] {
  const sent = given ?? [];
  if (sent.length === 0 && (content === undefined || content === null))
    refuse(at, "content or tool_calls, found neither");
  const twice = sent.find(({ id }, i) => sent.findIndex((other) => other.id === id) < i);
  if (twice !== undefined) refuse(at, `calls with different ids, found ${JSON.stringify(twice.id)} twice`);
  return sent.map(({ id, function: { name, arguments: text } }, i) => {
    const what = `messages.${at}.tool_calls.${i}.function.arguments`;
    return { id, name, text: writeJson({ name, arguments: text.trim() === "" ? {} : parseJson(text, { what }) }) };
  });
}

/** The results of all calls, which stand right behind them in any order, in the order of the calls. */
function readResults(messages: readonly Message[], from: number, calls: readonly ReadCall[]) {
  const found = new Map<string, string>();
  let at = from;
  for (; calls.length > 0 && messages[at]?.role === "tool"; at++) {
    const { tool_call_id: id, content } = messages[at] as Extract<Message, { role: "tool" }>;
    const listed = () => calls.map((call) => JSON.stringify(call.id)).join(", ");
    if (!calls.some((call) => call.id === id))
      refuse(at, `the result of one of the calls ${listed()}, found one of ${JSON.stringify(id)}`);
    if (found.has(id)) refuse(at, `one result of each call, found a second one of ${JSON.stringify(id)}`);
    found.set(id, textOf(content));
  }
  return calls.map(({ id, name }) => ({
    name,
    content:
      found.get(id) ??
      refuse(at, `the result of the call ${JSON.stringify(id)} of ${name}, found ${messages[at]?.role ?? "none"}`),
  }));
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
  const { prompt, history, input, tools } = conversation;
  const turns = history.flatMap((turn) => [turn.input, turn.output]);
  requireReadable({ tokenizer, edge }, [prompt ?? "", ...turns, input]);
  const ids = encodeConversation(tokenizer, layout, { prompt, history, input, withResults: tools?.withResults });
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
