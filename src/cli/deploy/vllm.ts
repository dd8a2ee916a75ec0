/** @file vLLM: adapters are loaded while it runs, each a model name. */
import { randomBytes } from "node:crypto";
import { z } from "zod";
import { AppError } from "../../base/errors.ts";
import { checkSchema, parseJson } from "../../base/json.ts";
import { getFrom, postTo, remoteLimits } from "../../server/remote.ts";
import type { Target } from "./target.ts";

const Models = z.object({ data: z.array(z.object({ id: z.string() })) });
const Completion = z.object({ choices: z.array(z.object({ text: z.string() })).min(1) });

export const vllm: Target = {
  tool: "vLLM",
  format: "peft",
  file: "",
  async load(remote, { name, path }, signal) {
    const json = (text: string) => parseJson(text, { what: remote.what, maxBytes: remoteLimits.answerBytes });
    const load = (as: string, more: object = {}) =>
      postTo(remote, "/v1/load_lora_adapter", { lora_name: as, lora_path: path, ...more }, signal);
    const unload = (as: string) => postTo(remote, "/v1/unload_lora_adapter", { lora_name: as });
    const names = async (): Promise<string[]> => {
      const listed = json(await getFrom(remote, "/v1/models", signal));
      return checkSchema(listed, Models, { what: remote.what }).data.map(({ id }) => id);
    };
    const trial = `${name}.trial-${randomBytes(4).toString("hex")}`; // two that deploy at once do not meet
    await load(trial);
    return {
      use: `"model": ${JSON.stringify(name)}`,
      async ask(ids, maxTokens) {
        const body = {
          model: trial,
          prompt: ids,
          max_tokens: maxTokens,
          temperature: 0,
          top_p: 1,
          repetition_penalty: 1,
        };
        const answer = json(await postTo(remote, "/v1/completions", body, signal));
        return checkSchema(answer, Completion, { what: remote.what }).choices[0]!.text;
      },
      async publish() {
        const isThere = (await names()).includes(name);
        await load(name, isThere ? { load_inplace: true } : {}).catch(async (error: unknown) => {
          if (!(error instanceof AppError) || !/already been loaded/.test(error.message)) throw error;
          await unload(name); // versions that cannot replace one in place
          await load(name);
        });
        if (!(await names()).includes(name))
          throw new AppError("E_RUNTIME", `${remote.what}: said that ${name} was loaded, and does not list it`);
      },
      close: async () => void (await unload(trial)),
    };
  },
};
