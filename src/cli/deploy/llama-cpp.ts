/** @file llama.cpp's server: adapters are named when it starts; how strong each is, every request may say, or one call for all. */
import { z } from "zod";
import { AppError } from "../../base/errors.ts";
import { checkSchema, parseJson } from "../../base/json.ts";
import { ggufAdapterFile } from "../../export/gguf-adapter.ts";
import { getFrom, postTo, remoteLimits } from "../../server/remote.ts";
import type { Target } from "./target.ts";

const Adapters = z.array(z.object({ id: z.int().min(0), path: z.string(), scale: z.number() }));
const Completion = z.object({ content: z.string() });

export const llamaCpp: Target = {
  tool: "llama.cpp",
  format: "gguf",
  file: ggufAdapterFile,
  async load(remote, { path, isForAll }, signal) {
    const json = (text: string) => parseJson(text, { what: remote.what, maxBytes: remoteLimits.answerBytes });
    const listed = json(await getFrom(remote, "/lora-adapters", signal));
    const adapters = checkSchema(listed, Adapters, { what: remote.what });
    const own = adapters.find((adapter) => adapter.path === path);
    // With --lora-init-without-apply, which has no say in some versions, it would answer all requests before anyone looked at it.
    if (own === undefined)
      throw new AppError(
        "E_NOT_FOUND",
        `${remote.what}: does not have ${path}, and loads adapters at its start only: start it with llama-server -m BASE.gguf ${[...adapters, { path, scale: 0 }].map((each) => `--lora-scaled ${each.path}:${each.scale}`).join(" ")}, and deploy again`,
      );
    const lora = adapters.map(({ id }) => ({ id, scale: id === own.id ? 1 : 0 }));
    return {
      use: isForAll ? "nothing: it answers all requests" : `"lora": [{"id": ${own.id}, "scale": 1}]`,
      async ask(ids, maxTokens) {
        const body = { prompt: ids, n_predict: maxTokens, temperature: 0, cache_prompt: false, lora };
        const answer = json(await postTo(remote, "/completion", body, signal));
        return checkSchema(answer, Completion, { what: remote.what }).content;
      },
      async publish() {
        if (isForAll) await postTo(remote, "/lora-adapters", lora, signal);
      },
      close: async () => undefined,
    };
  },
};
