/** @file `published`: a published GGUF file, its weights in its own blocks, beside llama.cpp on the same file and beside the same weights in fp32. */
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { AppError } from "../src/base/errors.ts";
import { openGguf } from "../src/files/gguf/read.ts";
import { llamaCpp, ours } from "./real-size/decode-programs.ts";
import { decodeRounds, type Program } from "./real-size/decode-rounds.ts";
import type { DecodeTask } from "./real-size/decode-task.ts";
import { atLeast, type Bench, type Check } from "./support/bench.ts";
import { publishedModel } from "./support/bench-pair.ts";

const lengths = { promptTokens: 512, newTokens: 64 } as const;
const quickLengths = { promptTokens: 16, newTokens: 2 } as const;
/** Nine rounds have an interval. */
const leastRepetitions = 9;

/** Our speed may not be below llama.cpp's. */
const limit = 1;

export const published: Bench = {
  run: async (options) => {
    const path = options.file ?? publishedModel;
    if ((await stat(path).catch(() => undefined)) === undefined)
      throw new AppError("E_NOT_FOUND", `${path}: no such file; name a GGUF file with --file`);
    const vocab = (await openGguf(path)).tensors.get("token_embd.weight")?.shape[0] ?? 0;
    const { threads, quick } = options;
    const task: DecodeTask = { path, threads, vocab, keepBlocks: true, ...(quick ? quickLengths : lengths) };
    const wide: Program = { ...ours({ ...task, keepBlocks: false }), prefix: "fp32 " };
    const peers = options.peer === "none" ? [wide] : [llamaCpp(task, options), wide];
    const rounds = { ...options, repetitions: quick ? 1 : Math.max(options.repetitions, leastRepetitions) };
    const isRatio = (name: string) => name.includes(" / ");
    const raw: Record<string, readonly number[]> = {};
    const values: Record<string, number> = {};
    const configuration: Record<string, unknown> = {
      file: basename(path),
      ...lengths,
      repetitions: rounds.repetitions,
    };
    for (const peer of peers) {
      const found = await decodeRounds(ours(task), peer, true, task, rounds);
      for (const [name, series] of Object.entries(found.raw ?? {})) raw[`beside ${peer.prefix}${name}`] = series;
      // Ours is measured beside each: what is no ratio is called by what it was beside.
      for (const [name, value] of Object.entries(found.values))
        values[isRatio(name) || name.startsWith(peer.prefix) ? name : `beside ${peer.prefix}${name}`] = value;
      Object.assign(configuration, found.about);
    }
    const checks: Check[] =
      options.peer === "none"
        ? []
        : ["prefill", "decode"].map((step) =>
            atLeast(`${step}, ours / llama.cpp`, values[`${step}, ours / llama.cpp`]!, limit),
          );
    return {
      configuration,
      raw,
      medians: Object.fromEntries(Object.entries(values).filter(([name]) => !isRatio(name))),
      ratios: Object.fromEntries(Object.entries(values).filter(([name]) => isRatio(name))),
      checks,
    };
  },
};
