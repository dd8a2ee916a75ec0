/**
 * @file Writes the short runs that choose the generator's configuration, one change each:
 *   npx tsx runs/smollm2/levers.ts [OUT = work/smollm2/levers] [STEPS = 100] [BATCH = 16]
 * writes NAME.json for `loragen train --config`. All begin anew, and read the same short prompts in the same order; "as-trained" has the
 * generator's configuration of the pair that ships. "knowledge-transfer" has another cloud model, of another family and with another
 * tokenizer: the published work/models/Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf, which is not in this repository.
 */
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writeJsonFile } from "../../src/base/json-file.ts";
import type { GeneratorConfig } from "../../src/generator/config.ts";

/** What a lever changes of the generator; the rest is that of `config/short-prompts.json`. */
export const levers: Readonly<Record<string, Partial<GeneratorConfig>>> = {
  "as-trained": {},
  /** Table 9 of the paper: one pool and one router for all layers, two experts kept, one embedding for all meta tokens. */
  paper: { poolScope: "shared", routerScope: "shared", topK: 2, metaTokens: "single" },
  "shared-32": { poolScope: "shared", experts: 32 },
  /** All experts, by signed coefficients. `topK` has no effect then, so it must be left at its default. */
  linear: { strategy: "linear", topK: 2 },
  "factors-apart": { compose: "factorsApart" },
  "half-cloud": { cloudLayers: 15 },
  "knowledge-transfer": {},
};

/** What a lever changes of the run, not of the generator. */
const otherClouds: Readonly<Record<string, { readonly cloud: string }>> = {
  "knowledge-transfer": { cloud: "work/models/Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf" },
};

const Run = z.looseObject({ generator: z.looseObject({}), optimizer: z.looseObject({}) });

/** Sixteen batches are all validation prompts at 16 prompts a step: small differences can be seen. */
const validation = { validateEvery: 50, validationBatches: 16 } as const;

/** The configuration of a lever's run. */
export function leverRun(name: string, { out, steps, batch }: { out: string; steps: number; batch: number }): object {
  const config = JSON.parse(readFileSync(new URL("config/short-prompts.json", import.meta.url), "utf8"));
  const { start: _, ...base } = Run.parse(config);
  const generator = { ...base.generator, ...levers[name] };
  const optimizer = { ...base.optimizer, learningRate: 0.002 };
  return { ...base, ...otherClouds[name], output: join(out, name), steps, batch, generator, optimizer, ...validation };
}

if (process.argv[1] === import.meta.filename) {
  const [out = "work/smollm2/levers", steps = "100", batch = "16"] = process.argv.slice(2);
  await mkdir(out, { recursive: true });
  for (const name of Object.keys(levers)) {
    const path = join(out, `${name}.json`);
    await writeJsonFile(path, leverRun(name, { out, steps: Number(steps), batch: Number(batch) }));
    console.log(path);
  }
}
