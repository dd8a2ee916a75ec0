/** @file How answers are written, whole and in the pieces of a stream: chats with their calls of tools, and raw completions. */
import type { Answered } from "./answers.ts";
import type { ChosenLogprob } from "./log-probabilities.ts";
import { callOf, callReader, type Part } from "./tool-calls.ts";

/** How a kind of request writes its answer. */
export type Form = {
  readonly whole: (answered: Answered) => object;
  /** What a piece of text gives to a stream: nothing, where it is held back. */
  readonly pieces: (text: string, logprobs: readonly ChosenLogprob[]) => readonly object[];
  /** What is told at the end of a stream, the reason last. */
  readonly ends: (answered: Answered) => readonly object[];
  readonly object: { readonly whole: string; readonly piece: string };
};

/**
 * Of chats. Made anew for each answer, for it remembers what was told.
 * @param tools that the answer may call
 */
export function chatForm(tools: readonly string[], callId: string): Form {
  const reader = callReader(tools);
  const untold: ChosenLogprob[] = [];
  let isOpen = false;
  const shared = ({ confidence }: Answered) => (confidence === undefined ? {} : { confidence });
  const finishOf = ({ finish }: Answered, isCall: boolean) => (isCall ? "tool_calls" : finish);
  /** An answer that was cut off, by its length or a stop string, is no call. */
  const callIn = ({ finish, text }: Answered) => (finish === "stop" ? callOf(text, tools) : undefined);
  const opening = (content: "" | null): object[] => {
    if (isOpen) return [];
    isOpen = true;
    return [{ index: 0, delta: { role: "assistant", content }, finish_reason: null }];
  };
  const head = { index: 0, id: callId, type: "function" };
  const deltas: { readonly [Kind in Part["kind"]]: (text: string) => object } = {
    text: (content) => ({ content }),
    name: (name) => ({ tool_calls: [{ ...head, function: { name, arguments: "" } }] }),
    arguments: (text) => ({ tool_calls: [{ index: 0, function: { arguments: text } }] }),
  };
  const told = (parts: readonly Part[]): object[] =>
    parts.flatMap(({ kind, text }) => {
      const content = kind === "text" ? untold.splice(0) : [];
      const logprobs = content.length === 0 ? {} : { logprobs: { content } };
      return [
        ...opening(kind === "text" ? "" : null),
        { index: 0, delta: deltas[kind](text), finish_reason: null, ...logprobs },
      ];
    });
  return {
    object: { whole: "chat.completion", piece: "chat.completion.chunk" },
    whole(answered) {
      const call = callIn(answered);
      const { text, logprobs } = answered;
      const called = call && [{ id: callId, type: "function", function: call }];
      const said = called ? { content: null, tool_calls: called } : { content: text };
      return {
        index: 0,
        message: { role: "assistant", ...said, refusal: null },
        finish_reason: finishOf(answered, call !== undefined),
        logprobs: logprobs === undefined ? null : { content: logprobs },
        ...shared(answered),
      };
    },
    pieces(text, logprobs) {
      untold.push(...logprobs);
      return told(reader.read(text));
    },
    ends(answered) {
      const isCall = callIn(answered) !== undefined;
      return [
        ...told(reader.end(!isCall)),
        ...opening(""),
        { index: 0, delta: {}, finish_reason: finishOf(answered, isCall), ...shared(answered) },
      ];
    },
  };
}

/** @param offset of the first token, in characters of the whole answer */
function completionLogprobs(logprobs: readonly ChosenLogprob[] | undefined, offset = 0) {
  if (logprobs === undefined) return null;
  let at = offset;
  return {
    tokens: logprobs.map(({ token }) => token),
    token_logprobs: logprobs.map(({ logprob }) => logprob),
    top_logprobs: logprobs.map(({ top_logprobs: top }) =>
      Object.fromEntries(top.map(({ token, logprob }) => [token, logprob])),
    ),
    text_offset: logprobs.map(({ token }) => {
      const from = at;
      at += token.length;
      return from;
    }),
  };
}

/** Of raw completions. Made anew for each answer, for it counts what was told. */
export function completionForm(): Form {
  let told = 0;
  return {
    object: { whole: "text_completion", piece: "text_completion" },
    whole: ({ text, finish, logprobs }) => ({
      index: 0,
      text,
      finish_reason: finish,
      logprobs: completionLogprobs(logprobs),
    }),
    pieces(text, logprobs) {
      const offset = told;
      told += logprobs.reduce((sum, { token }) => sum + token.length, 0);
      const shown = logprobs.length === 0 ? null : completionLogprobs(logprobs, offset);
      return [{ index: 0, text, finish_reason: null, logprobs: shown }];
    },
    ends: ({ finish }) => [{ index: 0, text: "", finish_reason: finish, logprobs: null }],
  };
}
