/** @file The service's HTTP API, as the playground asks it. */
import type { ConstraintSpec } from "../src/constraint/spec.ts";
import type { Certificate, Rung } from "../src/server/trust/certificate.ts";
import type { Nearest, SentenceEffect } from "../src/server/trust/why.ts";

export type Version = { readonly version: number; readonly object: string; readonly at: string };
export type StoredName =
  | { readonly name: string; readonly current: number; readonly versions: readonly Version[] }
  | { readonly name: string; readonly aliasOf: string };
export type Content = {
  readonly gates: readonly (readonly number[])[];
  readonly layers: number;
  readonly experts: number;
  readonly promptTokens: number;
  /** Of a prompt unlike those that the generator was trained on. */
  readonly unlike?: true;
  readonly constraint?: ConstraintSpec;
};
export type Made = Version & {
  readonly name: string;
  readonly isNew: boolean;
  /** Of the cloud pass; null where the store had the answer already. */
  readonly cloudMs: number | null;

  readonly constraint: ConstraintSpec | null;
};
export type Diff = {
  readonly gates: readonly {
    readonly layer: number;
    readonly expert: number;
    readonly from: number;
    readonly to: number;
  }[];
  readonly similarity: number | null;
  readonly samePrompt: boolean | null;
};
export type Why = {
  /** Who answers for the name. */
  readonly answers: Rung;
  readonly nearest: readonly Nearest[];
  readonly sentences: readonly SentenceEffect[];
};
export type CertificateState =
  | { readonly status: "running"; readonly done: number; readonly total: number; readonly certificate?: Certificate }
  | { readonly status: "failed"; readonly error: { readonly message: string }; readonly certificate?: Certificate }
  | { readonly status: "done"; readonly certificate: Certificate };

export type Answer = {
  readonly text: string;
  readonly promptTokens: number;
  readonly tokensSaved: number;
  readonly ms: number;
  readonly confidence: number | undefined;
  /** Set where the prompt answered in the specialisation's place. */
  readonly rung: string | undefined;
};

export type Question = {
  readonly model: string;
  readonly prompt?: string | undefined;
  readonly input: string;
  /** The specialisation whose form of answers is kept. */
  readonly constraintOf?: string | undefined;
};

export type Api = ReturnType<typeof createApi>;

/** What the service said went wrong. */
export class ApiError extends Error {}

/** @param key of a service that asks for one; empty: none */
export function createApi(key: string) {
  const headers = { "content-type": "application/json", ...(key === "" ? {} : { authorization: `Bearer ${key}` }) };

  async function send(path: string, body?: object, method = body === undefined ? "GET" : "POST"): Promise<Response> {
    const response = await fetch(path, {
      headers,
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch(() => {
      throw new ApiError("The service cannot be reached.");
    });
    if (response.ok) return response;
    const told = (await response.json().catch(() => undefined)) as { error?: { message?: string } } | undefined;
    throw new ApiError(told?.error?.message ?? `The service answered with status ${response.status}.`);
  }
  const ask = async <T>(path: string, body?: object): Promise<T> => (await send(path, body)).json() as Promise<T>;
  const at = (name: string, rest = ""): string => `/v1/specializations/${encodeURIComponent(name)}${rest}`;

  return {
    /** The base model's name. */
    async base(): Promise<string> {
      return (await ask<{ data: { id: string; parent: string | null }[] }>("/v1/models")).data[0]!.id;
    },
    names: async (): Promise<StoredName[]> => (await ask<{ data: StoredName[] }>("/v1/specializations")).data,
    specialize: (name: string, prompt: string) => ask<Made>("/v1/specializations", { name, prompt }),
    content: async (name: string, version: number): Promise<Content> =>
      (await ask<{ content: Content }>(at(`${name}@${version}`))).content,
    diff: (name: string, from: number, to: number) =>
      ask<Diff>(at(`${name}@${from}`, `/diff?against=${encodeURIComponent(`${name}@${to}`)}`)),
    /** The archive of an export, with the name it is saved by. */
    async download(
      name: string,
      version: number,
      format: "peft" | "gguf" | "onnx",
    ): Promise<{ blob: Blob; file: string }> {
      const response = await send(at(`${name}@${version}`, `/export?format=${format}`));
      return { blob: await response.blob(), file: `${name}-${version}-${format}.tar` };
    },
    why: (name: string, version: number, prompt: string) => ask<Why>(at(`${name}@${version}`, "/why"), { prompt }),
    rollback: (name: string, version: number) => ask<Version>(at(name, "/rollback"), { version }),
    certify: (name: string, body: object) => ask<CertificateState>(at(name, "/certificate"), body),
    certificate: (name: string) => ask<CertificateState>(at(name, "/certificate")),
    /** From now on the specialisation itself answers again. */
    uncertify: async (name: string): Promise<void> => void (await send(at(name, "/certificate"), undefined, "DELETE")),

    /** Streams an answer; `onText` gets all of it that is there. */
    async answer({ model, prompt, input, constraintOf }: Question, onText: (text: string) => void): Promise<Answer> {
      const system = prompt === undefined ? [] : [{ role: "system", content: prompt }];
      const from = performance.now();
      const response = await send("/v1/chat/completions", {
        model,
        messages: [...system, { role: "user", content: input }],
        max_tokens: 96,
        ...(constraintOf === undefined ? {} : { constraint_of: constraintOf }),
        stream: true,
        stream_options: { include_usage: true },
      });
      let text = "";
      let confidence: number | undefined;
      let usage: { prompt_tokens: number; tokens_saved: number } | undefined;
      for await (const event of events(response)) {
        if (event.error !== undefined) throw new ApiError(event.error.message);
        const [choice] = event.choices ?? [];
        text += choice?.delta.content ?? "";
        confidence = choice?.confidence ?? confidence;
        usage = event.usage ?? usage;
        onText(text);
      }
      return {
        text,
        promptTokens: usage?.prompt_tokens ?? 0,
        tokensSaved: usage?.tokens_saved ?? 0,
        ms: performance.now() - from,
        confidence,
        rung: response.headers.get("x-loragen-rung") ?? undefined,
      };
    },
  };
}

type Event = {
  readonly choices?: readonly { readonly delta: { readonly content?: string | null }; readonly confidence?: number }[];
  readonly usage?: { readonly prompt_tokens: number; readonly tokens_saved: number };
  readonly error?: { readonly message: string };
};

/** Server-sent events up to `[DONE]`. Throws where the connection breaks off before it. */
async function* events(response: Response): AsyncGenerator<Event> {
  let rest = "";
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new ApiError("The answer ended before its end.");
    rest += value;
    for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
      const data = rest.slice(0, end).replace(/^data: /, "");
      rest = rest.slice(end + 2);
      if (data === "[DONE]") return;
      yield JSON.parse(data) as Event;
    }
  }
}
