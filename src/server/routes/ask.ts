/** @file Asking: `/v1/chat/completions`, the same of the cloud model, and `/v1/completions`. */
import { AppError } from "../../base/errors.ts";
import { requireSpec } from "../../constraint/spec.ts";
import { type Answered, answer, type OnPiece, type Question } from "../api/answers.ts";
import { type Demand, demandOf } from "../api/constraints.ts";
import { encodeRead, readBy, readMessages } from "../api/conversation.ts";
import type { ChosenLogprob } from "../api/log-probabilities.ts";
import { requireReadable } from "../api/readable.ts";
import { ChatRequest, CloudRequest, CompletionRequest } from "../api/schemas.ts";
import { readBody } from "../body.ts";
import { eventStream } from "../event-stream.ts";
import { fingerprintOf } from "../fingerprint.ts";
import type { ServedModel } from "../models.ts";
import type { RouteContext, Services } from "../services.ts";
import type { CloudQuestion, CloudSide } from "../sides.ts";

type Body = Pick<ChatRequest, "stream" | "stream_options">;
type Finish = Answered["finish"] | "tool_calls";

/** How a kind of request writes its answers. */
type Form = {
  readonly whole: (answered: Answered) => object;
  /** The first piece of a stream, where there is one before the text. */
  readonly opening?: object;
  /** A piece of text; undefined where nothing is told before the end. */
  readonly piece?: (text: string, logprobs: readonly ChosenLogprob[]) => object;
  /** What is told at the end of a stream before its reason. */
  readonly rest?: (answered: Answered) => object;
  readonly last: (answered: Answered) => object;
  readonly object: { readonly whole: string; readonly piece: string };
};

/** Asks whoever answers. */
type Ask = (signal: AbortSignal, onPiece?: OnPiece) => Promise<Answered>;

export async function chat(c: RouteContext, services: Services): Promise<Response> {
  const { models, edge, secret } = services;
  const body = await readBody(c, ChatRequest);
  const model = await models.find(c.var.caller.tenant, body.model);
  const like = body.constraint_of ? await models.find(c.var.caller.tenant, body.constraint_of) : model;
  const { spec: constraint, isCall } = demandOf(body, like.specialized?.constraint);
  const conversation = readBy(model, readMessages(body.messages), secret);
  const asked = { ...chatted(body), ...askedBy(c, services) };
  const ask =
    model.specialized?.rung === "cloud"
      ? byCloud(cloudFor(services, model.id), { ...asked, conversation, constraint })
      : byEdge(services, {
          ...asked,
          ...encodeRead(edge.texts, conversation, model),
          model,
          constraint: constraint && edge.constraints.compile(constraint),
        });
  return respond(c, services, model, ask, body, chatForm(isCall, `call_${services.newId()}`));
}

/** The pair's cloud model as it is, for hosts that have none: behind the prompt that a name of theirs stands for. */
export async function chatWithCloud(c: RouteContext, services: Services): Promise<Response> {
  const body = await readBody(c, CloudRequest);
  const { cloud } = services;
  if (cloud === undefined)
    throw new AppError("E_NOT_FOUND", "cloud: that model does not answer here; start the service with --cloud-answers");
  if (cloud.isRemote)
    throw new AppError(
      "E_NOT_FOUND",
      "cloud: that model is on another host; ask that one, so that no question goes in circles",
    );
  const { spec: constraint, isCall } = cloudDemand(body);
  const conversation = readMessages(body.messages);
  const ask = byCloud(cloud, { ...chatted(body), ...askedBy(c, services), conversation, constraint });
  return respond(c, services, { id: body.model }, ask, body, chatForm(isCall, `call_${services.newId()}`));
}

function cloudDemand({ constraint, ...body }: CloudRequest): Demand {
  const demand = demandOf(body, undefined);
  if (!constraint) return demand;
  if (demand.spec !== undefined)
    throw new AppError("E_USAGE", "constraint: expected none beside response_format or tools");
  return { spec: requireSpec(constraint, "body"), isCall: false };
}

export async function complete(c: RouteContext, services: Services): Promise<Response> {
  const body = await readBody(c, CompletionRequest);
  const model = await services.models.find(c.var.caller.tenant, body.model);
  if (model.specialized?.prompt !== undefined)
    throw new AppError(
      "E_USAGE",
      `model: ${model.id} answers by its prompt, as its certificate says, and a text to continue has no place for one; ask for a chat`,
    );
  const text = typeof body.prompt === "string" ? body.prompt : body.prompt[0]!;
  requireReadable(services.edge.texts, [text]);
  const ask = byEdge(services, {
    ...askedBy(c, services),
    model,
    ids: services.edge.texts.tokenizer.encode(text, { addSpecial: true }),
    prefixTokens: 0,
    tokensSaved: model.specialized?.promptTokens ?? 0,
    constraint: undefined,
    sampled: body,
    maxTokens: body.max_tokens ?? 16,
    logprobs: body.logprobs ?? undefined,
  });
  return respond(c, services, model, ask, body, completionForm());
}

export function embed(): never {
  throw new AppError(
    "E_USAGE",
    "embeddings: not offered: the models here answer, and were not trained to compare texts",
  );
}

/** Throws E_USAGE where the cloud model does not answer here any more. */
function cloudFor({ cloud }: Services, id: string): CloudSide {
  if (cloud !== undefined) return cloud;
  throw new AppError(
    "E_USAGE",
    `model: ${id} is answered by the cloud model, as its certificate says, and that does not answer here; start the service with --cloud-answers, or forget the certificate`,
  );
}

const byEdge =
  ({ edge: { engine, texts } }: Services, question: Omit<Question, "signal">): Ask =>
  (signal, onPiece) =>
    answer(engine, texts, { ...question, signal }, onPiece);

const byCloud =
  (cloud: CloudSide, question: Omit<CloudQuestion, "signal">): Ask =>
  (signal, onPiece) =>
    cloud.answer({ ...question, signal }, onPiece);

const chatted = (body: Omit<ChatRequest, "model">): Pick<Question, "sampled" | "maxTokens" | "logprobs"> => ({
  sampled: body,
  maxTokens: body.max_completion_tokens ?? body.max_tokens ?? undefined,
  logprobs: body.logprobs ? (body.top_logprobs ?? 0) : undefined,
});

const askedBy = (c: RouteContext, { now, requestMs }: Services): Pick<Question, "tenant" | "deadline"> => ({
  tenant: c.var.caller.tenant,
  deadline: now() + requestMs,
});

async function respond(
  c: RouteContext,
  services: Services,
  { id: model, specialized }: ServedModel,
  ask: Ask,
  { stream, stream_options: options }: Body,
  form: Form,
): Promise<Response> {
  const { pair, metrics, newId, date } = services;
  const gone = new AbortController();
  const signal = AbortSignal.any([c.req.raw.signal, gone.signal]);
  const head = {
    id: newId(),
    created: Math.floor(date().getTime() / 1000),
    model,
    system_fingerprint: fingerprintOf(pair),
  };
  c.var.about.model = model;
  const rung = specialized?.rung;
  if (rung !== undefined && rung !== "specialized") c.var.about.rung = rung;
  const count = ({ usage }: Answered): void => {
    metrics.tokens(usage);
    c.var.about.promptTokens = usage.prompt_tokens;
    c.var.about.completionTokens = usage.completion_tokens;
  };
  if (!stream) {
    const answered = await ask(signal);
    count(answered);
    return c.json({ ...head, object: form.object.whole, choices: [form.whole(answered)], usage: answered.usage });
  }
  const { response, ended } = await eventStream(
    async (send) => {
      const chunk = (choices: readonly object[], more: object = {}) =>
        send({ ...head, object: form.object.piece, choices, ...more });
      let isOpen = false;
      const open = (): void => {
        if (!isOpen && form.opening !== undefined) chunk([form.opening]);
        isOpen = true;
      };
      const { piece } = form;
      const onPiece: OnPiece | undefined =
        piece &&
        ((text, logprobs) => {
          open();
          chunk([piece(text, logprobs)]);
        });
      const answered = await ask(signal, onPiece);
      count(answered);
      open();
      if (form.rest !== undefined) chunk([form.rest(answered)]);
      chunk([form.last(answered)]);
      if (options?.include_usage) chunk([], { usage: answered.usage });
    },
    () => gone.abort(),
    { waitingBytes: services.streamBytes },
  );
  c.set("ended", ended);
  return response;
}

function chatForm(isCall: boolean, callId: string): Form {
  const object = { whole: "chat.completion", piece: "chat.completion.chunk" };
  const finishOf = ({ finish }: Answered): Finish => (isCall && finish === "stop" ? "tool_calls" : finish);
  const shared = ({ confidence }: Answered) => (confidence === undefined ? {} : { confidence });
  const opening = { index: 0, delta: { role: "assistant", content: isCall ? null : "" }, finish_reason: null };
  const last = (answered: Answered) => ({
    index: 0,
    delta: {},
    finish_reason: finishOf(answered),
    ...shared(answered),
  });
  if (isCall)
    return {
      object,
      whole: (answered) => ({
        index: 0,
        message: { role: "assistant", ...callOf(answered, callId) },
        finish_reason: finishOf(answered),
        logprobs: answered.logprobs === undefined ? null : { content: answered.logprobs },
      }),
      opening,
      rest: (answered) => {
        const { tool_calls: calls, content } = callOf(answered, callId);
        const delta =
          calls === undefined ? { content } : { tool_calls: calls.map((call, index) => ({ index, ...call })) };
        return { index: 0, delta, finish_reason: null };
      },
      last,
    };
  return {
    object,
    whole: (answered) => ({
      index: 0,
      message: { role: "assistant", content: answered.text, refusal: null },
      finish_reason: finishOf(answered),
      logprobs: answered.logprobs === undefined ? null : { content: answered.logprobs },
      ...shared(answered),
    }),
    opening,
    piece: (text, logprobs) => ({
      index: 0,
      delta: { content: text },
      finish_reason: null,
      ...(logprobs.length === 0 ? {} : { logprobs: { content: logprobs } }),
    }),
    last,
  };
}

type Call = { readonly id: string; readonly type: "function"; readonly function: { name: string; arguments: string } };

/** An answer that was cut off, by its length or a stop string, is no call: it is shown as it is. */
function callOf({ text, finish }: Answered, id: string): { content: string | null; tool_calls?: Call[] } {
  const call = finish === "stop" ? wholeCall(text) : undefined;
  if (call === undefined) return { content: text };
  const { name, arguments: given } = call;
  return {
    content: null,
    tool_calls: [{ id, type: "function", function: { name, arguments: JSON.stringify(given) } }],
  };
}

function wholeCall(text: string): { name: string; arguments: unknown } | undefined {
  try {
    return JSON.parse(text) as { name: string; arguments: unknown };
  } catch {
    return undefined;
  }
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

function completionForm(): Form {
  let told = 0;
  return {
    object: { whole: "text_completion", piece: "text_completion" },
    whole: ({ text, finish, logprobs }) => ({
      index: 0,
      text,
      finish_reason: finish,
      logprobs: completionLogprobs(logprobs),
    }),
    piece: (text, logprobs) => {
      const offset = told;
      told += logprobs.reduce((sum, { token }) => sum + token.length, 0);
      const shown = logprobs.length === 0 ? null : completionLogprobs(logprobs, offset);
      return { index: 0, text, finish_reason: null, logprobs: shown };
    },
    last: ({ finish }) => ({ index: 0, text: "", finish_reason: finish, logprobs: null }),
  };
}
