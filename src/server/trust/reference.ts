/** @file A stronger model behind an OpenAI-compatible address, whose answers a certificate is held against. */
import { z } from "zod";
import { AppError } from "../../base/errors.ts";
import { checkSchema, parseJson } from "../../base/json.ts";

export type ReferenceModel = {
  readonly model: string;
  /** Throws E_RUNTIME where it does not answer as expected. */
  ask(prompt: string, input: string, signal?: AbortSignal): Promise<string>;
};

export type ReferenceOptions = {
  /** The address in front of `/chat/completions`, such as http://localhost:8000/v1. */
  readonly url: string;
  readonly model: string;
  readonly key?: string | undefined;
  readonly fetch?: typeof globalThis.fetch;
};

const limits = { answerBytes: 2 ** 20, answerMs: 120_000, tokens: 512 } as const;

const Answer = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string() }) })).min(1),
});

/** Throws E_USAGE for what is no http address. */
export function referenceModel({ url, model, key, fetch = globalThis.fetch }: ReferenceOptions): ReferenceModel {
  const address = URL.canParse(url) ? new URL(url) : undefined;
  if (
    address === undefined ||
    !/^https?:$/.test(address.protocol) ||
    address.username !== "" ||
    address.password !== ""
  )
    throw new AppError("E_USAGE", "reference: expected an http or https address without a password in it");
  const at = `${url.replace(/\/+$/, "")}/chat/completions`;
  const failed = (why: string, cause?: unknown) =>
    new AppError("E_RUNTIME", `reference ${model}: ${why}`, { ...(cause === undefined ? {} : { cause }) });
  return {
    model,
    async ask(prompt, input, signal) {
      const late = AbortSignal.timeout(limits.answerMs);
      const messages = [
        { role: "system", content: prompt },
        { role: "user", content: input },
      ];
      const response = await fetch(at, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        },
        body: JSON.stringify({ model, messages, temperature: 0, max_tokens: limits.tokens }),
        signal: signal === undefined ? late : AbortSignal.any([signal, late]),
      }).catch((error: unknown) => {
        throw failed(signal?.aborted ? "interrupted" : late.aborted ? "no answer in time" : "cannot be reached", error);
      });
      if (!response.ok) {
        await response.body?.cancel();
        throw failed(`expected status 200, found ${response.status}`);
      }
      const text = await boundedText(response);
      if (text === undefined) throw failed(`expected an answer of at most ${limits.answerBytes} bytes, found more`);
      const json = parseJson(text, { what: `reference ${model}`, maxBytes: limits.answerBytes });
      return checkSchema(json, Answer, { what: `reference ${model}` }).choices[0]!.message.content.trim();
    },
  };
}

async function boundedText({ body }: Response): Promise<string | undefined> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body ?? []) {
    bytes += part.byteLength;
    if (bytes > limits.answerBytes) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}
