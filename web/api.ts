/** @file The service's HTTP API, as the playground asks it. */
import type { ConstraintSpec } from "../src/constraint/spec.ts";
import type { DownloadFormat, OfferedFormat } from "../src/server/downloads.ts";
import type { Rung, shownCertificate } from "../src/server/trust/certificate.ts";
import type { Nearest, SentenceEffect } from "../src/server/trust/why.ts";

/** The base model's name, and which exports there are to take away. */
export type Service = { readonly base: string; readonly exports: readonly OfferedFormat[] };
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
  /** Cosine of all gates; null where one has none. */
  readonly similarity: number | null;
  /** Null where one of the two is anonymous. */
  readonly samePrompt: boolean | null;
};
export type Why = {
  /** Who answers for the name. */
  readonly answers: Rung;
  readonly nearest: readonly Nearest[];
  readonly sentences: readonly SentenceEffect[];
};
export type ShownCertificate = ReturnType<typeof shownCertificate>;
/** An earlier one is there beside one that is measured, or that failed. */
export type CertificateState = { readonly certificate?: ShownCertificate } & (
  | {
      readonly status: "running";
      readonly done: number;
      readonly total: number;
      /** It waits: so many of the tenant's are measured before it. */
      readonly before?: number;
    }
  | { readonly status: "failed"; readonly error: { readonly message: string } }
  | { readonly status: "done" }
);

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

/** What the service said went wrong, with the answer's status where there was one. */
export class ApiError extends Error {
  readonly status: number | undefined;
  constructor(message: string, status?: number) {
    super(message);
    this.status = status;
  }
}

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
    const message = told?.error?.message ?? `The service answered with status ${response.status}.`;
    throw new ApiError(message, response.status);
  }
  const ask = async <T>(path: string, body?: object): Promise<T> => (await send(path, body)).json() as Promise<T>;
  const at = (name: string, rest = ""): string => `/v1/specializations/${encodeURIComponent(name)}${rest}`;

  return {
    async service(): Promise<Service> {
      const [base] = (await ask<{ data: { id: string; exports?: readonly OfferedFormat[] }[] }>("/v1/models")).data;
      return { base: base!.id, exports: base!.exports ?? [] };
    },
    names: async (): Promise<StoredName[]> => (await ask<{ data: StoredName[] }>("/v1/specializations")).data,
    specialize: (name: string, prompt: string) => ask<Made>("/v1/specializations", { name, prompt }),
    version: (name: string, version: number) =>
      ask<Version & { readonly name: string; readonly content: Content }>(at(`${name}@${version}`)),
    diff: (name: string, from: number, to: number) =>
      ask<Diff>(at(`${name}@${to}`, `/diff?against=${encodeURIComponent(`${name}@${from}`)}`)),
    /** The archive of an export, with the name it is saved by. */
    async download(name: string, version: number, format: DownloadFormat): Promise<{ blob: Blob; file: string }> {
      const response = await send(at(`${name}@${version}`, `/export?format=${format}`));
      return { blob: await response.blob(), file: `${name}-${version}-${format}.tar` };
    },
    why: (name: string, version: number, prompt: string) => ask<Why>(at(`${name}@${version}`, "/why"), { prompt }),
    rollback: (name: string, version: number) => ask<Version>(at(name, "/rollback"), { version }),
    certify: (name: string, body: object) => ask<CertificateState>(at(name, "/certificate"), body),
    /** Undefined: there is none, and none is being measured. */
    certificate: (name: string): Promise<CertificateState | undefined> =>
      ask<CertificateState>(at(name, "/certificate")).catch((error: unknown) => {
        if (error instanceof ApiError && error.status === 404) return undefined;
        throw error;
      }),
    /** From now on the specialisation itself answers again. */
    uncertify: async (name: string): Promise<void> => void (await send(at(name, "/certificate"), undefined, "DELETE")),

    /** Streams an answer; `onText` gets all of it that is there. */
    async answer(
      { model, prompt, input, constraintOf }: Question,
      onText: (text: string) => void = () => undefined,
    ): Promise<Answer> {
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
