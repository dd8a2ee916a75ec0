/** @file A stronger model behind an OpenAI-compatible address, whose answers a certificate is held against. */
import { z } from "zod";
import { checkSchema, parseJson } from "../../base/json.ts";
import { postTo, type RemoteOptions, remoteLimits, requireAddress } from "../remote.ts";

export type ReferenceModel = {
  readonly model: string;
  /** undefined where the input is too long for it. Throws as `postTo` where it does not answer, E_FORMAT where its answer is of another form. */
  ask(prompt: string, input: string, signal?: AbortSignal): Promise<string | undefined>;
  /** Of a model that is opened in this process. */
  readonly close?: () => Promise<void>;
};

/** `url`: the address in front of `/chat/completions`, such as http://localhost:8000/v1. */
export type ReferenceOptions = Omit<RemoteOptions, "what"> & { readonly model: string };

/** Longest answer. */
export const referenceTokens = 512;

const Answer = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string() }) })).min(1),
});

/** Throws E_USAGE for what is no http address. */
export function referenceModel({ model, ...options }: ReferenceOptions): ReferenceModel {
  const what = `reference ${model}`;
  const remote = { ...options, what, url: requireAddress("reference", options.url) };
  return {
    model,
    async ask(prompt, input, signal) {
      const messages = [
        { role: "system", content: prompt },
        { role: "user", content: input },
      ];
      const body = { model, messages, temperature: 0, max_tokens: referenceTokens };
      const text = await postTo(remote, "/chat/completions", body, signal);
      const json = parseJson(text, { what, maxBytes: remoteLimits.answerBytes });
      return checkSchema(json, Answer, { what }).choices[0]!.message.content.trim();
    },
  };
}
