/**
 * @file Servers that hold the contracts of vLLM and of llama.cpp's server, as far as `deploy` uses them. They really load the adapters.
 *
 * vLLM: release 0.33.0, as its wheel has it: `vllm/entrypoints/serve/lora/{protocol,api_router}.py` and
 * `vllm/entrypoints/openai/models/serving.py`. It knows `load_inplace` (older ones refuse a name that
 * is there) and takes bodies only that say that they are JSON. llama.cpp: `tools/server/README.md` at commit 00dc8057ab28 (2026), and the server itself.
 */
import { createDecoder } from "../../src/decode/decoder.ts";
import { readGgufAdapter } from "../../src/lora/gguf-format.ts";
import type { Adapter } from "../../src/lora/low-rank.ts";
import { readPeftChange } from "../../src/lora/peft-change.ts";
import { applyAdapter } from "../../src/models/apply-adapter.ts";
import type { FrozenModel } from "../../src/models/frozen-model.ts";
import { ggufArchitecture, ggufPlaces } from "../../src/models/gguf/names.ts";
import { parameterShapes } from "../../src/models/parameters.ts";
import { peftBaseOf } from "../../src/models/peft-base.ts";
import type { EdgePair } from "../../src/pair/pair.ts";
import { type Listening, listenOn } from "../../src/server/serve.ts";

export type AdapterServer = Listening & { readonly asked: string[] };

type Served = Pick<EdgePair, "edge" | "tokenizer">;
type Handler = (body: Record<string, unknown>) => Response | Promise<Response>;

async function serve(
  handlers: Readonly<Record<string, Handler>>,
  { onlyJson = false }: { readonly onlyJson?: boolean } = {},
): Promise<AdapterServer> {
  const asked: string[] = [];
  const fetch = async (request: Request): Promise<Response> => {
    const call = `${request.method} ${new URL(request.url).pathname}`;
    const text = await request.text();
    asked.push(`${call} ${text}`.trim());
    const handler = handlers[call];
    if (onlyJson && request.method === "POST" && request.headers.get("content-type") !== "application/json")
      return refuse(400, "BadRequestError", "Unsupported Media Type: Only 'application/json' is allowed");
    return handler === undefined
      ? new Response("not found", { status: 404 })
      : handler(text === "" ? {} : JSON.parse(text));
  };
  return { ...(await listenOn(fetch, { host: "127.0.0.1", port: 0 })), asked };
}

async function continued({ edge, tokenizer }: Served, adapter: Adapter | undefined, ids: number[], maxTokens: number) {
  const model: FrozenModel = adapter === undefined ? edge : await applyAdapter(edge, adapter);
  await using decoder = await createDecoder(model, { threads: 1 });
  return (await decoder.generate(ids, { maxTokens, tokenizer })).text!;
}

const refuse = (status: number, type: string, message: string): Response =>
  Response.json({ error: { message, type, param: null, code: status } }, { status });

export type VllmFaults = {
  /** Answers by the base model, whatever was loaded. */
  readonly ignoresAdapters?: boolean;
  /** A version that does not know `load_inplace`. */
  readonly isOld?: boolean;
};

export function vllmServer(pair: Served, { ignoresAdapters = false, isOld = false }: VllmFaults = {}) {
  const loaded = new Map<string, Adapter>();
  const handlers: Readonly<Record<string, Handler>> = {
    "GET /v1/models": () =>
      Response.json({ object: "list", data: ["base", ...loaded.keys()].map((id) => ({ id, object: "model" })) }),
    async "POST /v1/load_lora_adapter"({ lora_name: name, lora_path: path, load_inplace: inPlace = false }) {
      if (name === "base")
        return refuse(400, "InvalidUserInput", `The lora adapter '${name}' conflicts with a served base model.`);
      if (loaded.has(name as string) && (isOld || !inPlace))
        return refuse(400, "InvalidUserInput", `The lora adapter '${name}' has already been loaded.`);
      try {
        loaded.set(name as string, (await readPeftChange(path as string, peftBaseOf(pair.edge))).adapter as Adapter);
      } catch {
        return refuse(404, "NotFoundError", `Loading lora ${name} failed: No adapter found for ${path}`);
      }
      return new Response(`Success: LoRA adapter '${name}' added successfully.`);
    },
    "POST /v1/unload_lora_adapter"({ lora_name: name }) {
      if (!loaded.delete(name as string))
        return refuse(404, "NotFoundError", `The lora adapter '${name}' cannot be found.`);
      return new Response(`Success: LoRA adapter '${name}' removed successfully.`);
    },
    async "POST /v1/completions"({ model, prompt, max_tokens: most, temperature }) {
      const adapter = loaded.get(model as string);
      if (adapter === undefined && model !== "base")
        return refuse(404, "NotFoundError", `The model \`${model}\` does not exist.`);
      if (temperature !== 0) return refuse(400, "BadRequestError", "this one is asked for the likeliest tokens only");
      const text = await continued(pair, ignoresAdapters ? undefined : adapter, prompt as number[], most as number);
      return Response.json({ object: "text_completion", choices: [{ index: 0, text, finish_reason: "length" }] });
    },
  };
  return serve(handlers, { onlyJson: true });
}

/** @param paths of `--lora-scaled PATH:0`. A real server holds the same: `test/parity/llama-server.test.ts` */
export async function llamaCppServer(pair: Served, paths: readonly string[]) {
  const { config } = pair.edge;
  const placing = { architecture: ggufArchitecture(config, "test").name, places: ggufPlaces(config) };
  const adapters = await Promise.all(
    paths.map(async (path, id) => ({
      ...{ id, path, scale: 0 },
      adapter: await readGgufAdapter(path, parameterShapes(config), placing),
    })),
  );
  type Strength = { id: number; scale: number };
  return serve({
    "GET /lora-adapters": () => Response.json(adapters.map(({ id, path, scale }) => ({ id, path, scale }))),
    "POST /lora-adapters"(list) {
      for (const each of adapters)
        each.scale = (list as unknown as Strength[]).find(({ id }) => id === each.id)?.scale ?? 0;
      return Response.json({ success: true });
    },
    async "POST /completion"({ prompt, n_predict: most, lora }) {
      const strengths = (lora as Strength[] | undefined) ?? adapters;
      const own = adapters.find(({ id }) => strengths.some((each) => each.id === id && each.scale === 1));
      return Response.json({ content: await continued(pair, own?.adapter, prompt as number[], most as number) });
    },
  });
}
