/** @file Asking: `/v1/chat/completions`, the same of the cloud model, and `/v1/completions`. */
import { AppError } from "../../base/errors.ts";
import { requireAnswerSpec } from "../../constraint/tools.ts";
import { type Answered, answer, type OnPiece, type Question } from "../api/answers.ts";
import { type Demand, demandOf } from "../api/constraints.ts";
import { encodeRead, readBy, readMessages } from "../api/conversation.ts";
import { chatForm, completionForm, type Form } from "../api/forms.ts";
import { requireReadable } from "../api/readable.ts";
import { ChatRequest, CloudRequest, CompletionRequest } from "../api/schemas.ts";
import { readBody } from "../body.ts";
import { eventStream } from "../event-stream.ts";
import { fingerprintOf } from "../fingerprint.ts";
import type { ServedModel } from "../models.ts";
import type { RouteContext, Services } from "../services.ts";
import type { CloudQuestion, CloudSide } from "../sides.ts";

type Body = Pick<ChatRequest, "stream" | "stream_options">;
/** Asks whoever answers. */
type Ask = (signal: AbortSignal, onPiece?: OnPiece) => Promise<Answered>;

export async function chat(c: RouteContext, services: Services): Promise<Response> {
  const { models, edge, secret } = services;
  const body = await readBody(c, ChatRequest);
  const model = await models.find(c.var.caller.tenant, body.model);
  const like = body.constraint_of ? await models.find(c.var.caller.tenant, body.constraint_of) : model;
  const { spec: constraint, tools } = demandOf(body, like.specialized?.constraint);
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
  return respond(c, services, model, ask, body, chatForm(tools, `call_${services.newId()}`));
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
  const { spec: constraint, tools } = cloudDemand(body);
  const conversation = readMessages(body.messages);
  const ask = byCloud(cloud, { ...chatted(body), ...askedBy(c, services), conversation, constraint });
  return respond(c, services, { id: body.model }, ask, body, chatForm(tools, `call_${services.newId()}`));
}

function cloudDemand({ constraint, ...body }: CloudRequest): Demand {
  const demand = demandOf(body, undefined);
  if (!constraint) return demand;
  if (demand.spec !== undefined)
    throw new AppError("E_USAGE", "constraint: expected none beside response_format or tools");
  return { spec: requireAnswerSpec(constraint, "body"), tools: [] };
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
      const answered = await ask(signal, (text, logprobs) => {
        for (const choice of form.pieces(text, logprobs)) chunk([choice]);
      });
      count(answered);
      for (const choice of form.ends(answered)) chunk([choice]);
      if (options?.include_usage) chunk([], { usage: answered.usage });
    },
    () => gone.abort(),
    { waitingBytes: services.streamBytes },
  );
  c.set("ended", ended);
  return response;
}
