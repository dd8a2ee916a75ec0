/** @file Why a name's gates are as they are. */
import { AppError } from "../../base/errors.ts";
import { WhyRequest } from "../api/schemas.ts";
import { readBody } from "../body.ts";
import type { RouteContext, Services } from "../services.ts";
import { requirePromptOf } from "../trust/measure.ts";
import { promptAsMade } from "../trust/prompt-as-made.ts";
import { gatesByLayer, nearestNames, sentenceEffects } from "../trust/why.ts";

/** What the gates themselves say. */
export async function show(c: RouteContext, services: Services, name: string): Promise<Response> {
  return c.json((await known(c, services, name)).told);
}

/** The same, and what each sentence of the prompt moved: the cloud model reads it once for each. */
export async function ablate(c: RouteContext, services: Services, name: string): Promise<Response> {
  const { specialize, secret } = services;
  const { prompt, promptExamples } = await readBody(c, WhyRequest);
  const { told, content } = await known(c, services, name);
  const text = promptAsMade(prompt, promptExamples);
  if (text === undefined)
    throw new AppError("E_USAGE", "body: expected the prompt that the name stands for, or its promptExamples");
  requirePromptOf(name, content, text, secret);
  if (specialize === undefined) throw new AppError("E_USAGE", "why: there is no cloud model here");
  const { turn } = c.var.caller;
  const { signal } = c.req.raw;
  const options = {
    secret: undefined,
    constraint: undefined,
    truncate: content.truncated ? "middle" : undefined,
  } as const;
  const sentences = await sentenceEffects(
    text,
    async (part) => {
      await turn(signal);
      return specialize(part, options);
    },
    signal,
  );
  return c.json({ ...told, sentences });
}

async function known(c: RouteContext, { store }: Services, name: string) {
  const { tenant } = c.var.caller;
  const { name: own, version, object } = await store.resolve(tenant, name);
  const content = await store.read(object);
  const nearest = await nearestNames(store, tenant, object, content);
  return { content, told: { name: own, version, layers: gatesByLayer(content), nearest } };
}
