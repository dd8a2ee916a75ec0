/** @file Why the gates that answer for a name are as they are. */
import { AppError } from "../../base/errors.ts";
import { WhyRequest } from "../api/schemas.ts";
import { readBody } from "../body.ts";
import type { RouteContext, Services } from "../services.ts";
import { answeringGates } from "../trust/answering-content.ts";
import { requirePromptOf } from "../trust/measure.ts";
import { promptAsMade } from "../trust/prompt-as-made.ts";
import { gatesByLayer, nearestNames, sentenceEffects } from "../trust/why.ts";
import { within } from "../within.ts";

/** What the gates themselves say, and who answers. */
export async function show(c: RouteContext, services: Services, name: string): Promise<Response> {
  return c.json((await known(c, services, name)).told);
}

/** The same, and what each sentence of the prompt moved in the predicted gates: the cloud model reads it once for each, in a request's time. */
export async function ablate(c: RouteContext, services: Services, name: string): Promise<Response> {
  const { cloudPass, secret, requestMs } = services;
  const { prompt, promptExamples } = await readBody(c, WhyRequest);
  const { told, content } = await known(c, services, name);
  const text = promptAsMade(prompt, promptExamples);
  if (text === undefined)
    throw new AppError("E_USAGE", "body: expected the prompt that the name stands for, or its promptExamples");
  requirePromptOf(name, content, text, secret);
  if (cloudPass === undefined) throw new AppError("E_USAGE", "why: there is no cloud model here");
  const { turn, tenant } = c.var.caller;
  const truncate = content.truncated ? "middle" : undefined;
  const read = async (part: string, signal: AbortSignal) => {
    await turn(signal);
    return cloudPass.specialize(part, { secret: undefined, constraint: undefined, truncate, tenant, signal });
  };
  const sentences = await within(requestMs, c.req.raw.signal, "why: not all sentences were left out", (signal) =>
    sentenceEffects(text, (part) => read(part, signal), signal),
  );
  return c.json({ ...told, sentences });
}

async function known(c: RouteContext, { store }: Services, name: string) {
  const { tenant } = c.var.caller;
  const { name: own, version, object } = await store.resolve(tenant, name);
  const content = await store.read(object);
  const { rung: answers, gates = content } = answeringGates(name, content, await store.certificate(tenant, object));
  const nearest = await nearestNames(store, tenant, object, gates);
  return { content, told: { name: own, version, answers, layers: gatesByLayer(gates), nearest } };
}
