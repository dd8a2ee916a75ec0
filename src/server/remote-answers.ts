/** @file The cloud model's answers from another host: it gets the prompt, the conversation and the form of the answer, and nothing else. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { checkSchema, parseJson } from "../base/json.ts";
import type { EdgePair } from "../pair/pair.ts";
import type { Answered, OnPiece } from "./api/answers.ts";
import type { Conversation } from "./api/conversation.ts";
import type { ChosenLogprob } from "./api/log-probabilities.ts";
import { type CloudRequest, cloudModelName } from "./api/schemas.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { eventsFrom, postTo, type RemoteOptions, readAnswer, remoteLimits, requireAddress } from "./remote.ts";
import type { CloudQuestion, CloudSide } from "./sides.ts";
import { createUnderWay } from "./under-way.ts";

const path = "/v1/cloud/chat/completions";

const Logprob = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.number()) });
const Logprobs = z.object({ content: z.array(Logprob.extend({ top_logprobs: z.array(Logprob) })) });
const Usage = z.object({ prompt_tokens: z.int().min(0), completion_tokens: z.int().min(0) });
const shared = { logprobs: Logprobs.nullish(), confidence: z.number().optional() };
const finish = z.enum(["stop", "length"]);
const Whole = z.object({
  system_fingerprint: z.string(),
  choices: z.tuple([z.object({ message: z.object({ content: z.string() }), finish_reason: finish, ...shared })]),
  usage: Usage,
});
const Piece = z.object({
  system_fingerprint: z.string(),
  choices: z
    .array(z.object({ delta: z.object({ content: z.string().nullish() }), finish_reason: finish.nullish(), ...shared }))
    .max(1),
  usage: Usage.optional(),
});
const Failed = z.object({ error: z.object({ code: z.string() }) });

/** @param now the clock of deadlines, in milliseconds */
type RemoteAnswersOptions = Omit<RemoteOptions, "what" | "answerMs"> & { readonly now?: () => number };

/**
 * Asks another service's cloud model.
 * @throws E_USAGE for what is no http address; when asked as `postTo`, E_IO too where the other has another pair
 */
export function remoteAnswers(
  pair: EdgePair,
  { now = () => performance.now(), ...options }: RemoteAnswersOptions,
): CloudSide {
  const what = "cloud";
  const remote = { ...options, what, url: requireAddress(what, options.url) };
  const underWay = createUnderWay("questions with the other host", remoteLimits.questions);

  function read<Schema extends z.ZodType>(text: string, schema: Schema): z.infer<Schema> {
    return readAnswer(() =>
      checkSchema(parseJson(text, { what, maxBytes: remoteLimits.answerBytes }), schema, { what }),
    );
  }
  function requireSamePair(found: string): void {
    const wanted = fingerprintOf(pair);
    if (!found.startsWith(wanted))
      throw new AppError("E_IO", `${what}: expected a host of the same pair (${wanted}), found ${found}`);
  }

  async function whole(with_: RemoteOptions, body: CloudRequest, signal: AbortSignal | undefined) {
    const { system_fingerprint: found, choices, usage } = read(await postTo(with_, path, body, signal), Whole);
    requireSamePair(found);
    const [{ message, finish_reason: finish, logprobs, confidence }] = choices;
    return { text: message.content, finish, logprobs: logprobs?.content, confidence, usage };
  }

  async function streamed(with_: RemoteOptions, body: CloudRequest, onPiece: OnPiece, signal: AbortSignal | undefined) {
    const asked = { ...body, stream: true, stream_options: { include_usage: true } };
    let text = "";
    let finish: Answered["finish"] | undefined;
    let confidence: number | undefined;
    let usage: z.infer<typeof Usage> | undefined;
    const logprobs: ChosenLogprob[] = [];
    for await (const event of eventsFrom(with_, path, asked, signal)) {
      const failed = Failed.safeParse(read(event, z.unknown()));
      if (failed.success) throw new AppError("E_IO", `${what}: its answer ended with ${failed.data.error.code}`);
      const piece = read(event, Piece);
      requireSamePair(piece.system_fingerprint);
      const [choice] = piece.choices;
      const added = choice?.delta.content ?? "";
      const chosen = choice?.logprobs?.content ?? [];
      text += added;
      logprobs.push(...chosen);
      finish = choice?.finish_reason ?? finish;
      confidence = choice?.confidence ?? confidence;
      usage = piece.usage ?? usage;
      if (added !== "" || chosen.length > 0) onPiece(added, chosen);
    }
    if (finish === undefined || usage === undefined)
      throw new AppError("E_IO", `${what}: expected an answer with its end and its usage, found none`);
    return { text, finish, logprobs: body.logprobs ? logprobs : undefined, confidence, usage };
  }

  return {
    isRemote: true,
    async answer(question, onPiece) {
      const { deadline, signal } = question;
      const from = now();
      const answerMs = Math.min(remoteLimits.answerMs, deadline === undefined ? Infinity : deadline - from);
      const body = bodyOf(question);
      const asked = { ...remote, answerMs };
      const { usage, ...answered } = await underWay.run(question.tenant, () =>
        onPiece === undefined ? whole(asked, body, signal) : streamed(asked, body, onPiece, signal),
      );
      const { prompt_tokens, completion_tokens } = usage;
      const total_tokens = prompt_tokens + completion_tokens;
      return {
        ...answered,
        usage: { prompt_tokens, completion_tokens, total_tokens, tokens_saved: 0 },
        ms: now() - from,
      };
    },
    close: () => underWay.close(),
  };
}

function bodyOf({ conversation, constraint, sampled, maxTokens, logprobs }: CloudQuestion): CloudRequest {
  const { temperature, top_p, top_k, seed, stop } = sampled;
  return {
    model: cloudModelName,
    messages: messagesOf(conversation),
    constraint: constraint as CloudRequest["constraint"],
    max_tokens: maxTokens,
    ...(logprobs === undefined ? {} : { logprobs: true, top_logprobs: logprobs }),
    ...{ temperature, top_p, top_k, seed, stop },
  };
}

/** Where tools were called the turns as they were sent: that host knows how its cloud model reads results. */
const messagesOf = ({ prompt, history, input, tools }: Conversation): CloudRequest["messages"] => [
  ...(prompt === undefined ? [] : [{ role: "system" as const, content: prompt }]),
  ...(tools?.sent ?? turnsOf(history, input)),
];

const turnsOf = (history: Conversation["history"], input: string): CloudRequest["messages"] => [
  ...history.flatMap(({ input, output }) => [
    { role: "user" as const, content: input },
    { role: "assistant" as const, content: output },
  ]),
  { role: "user", content: input },
];
