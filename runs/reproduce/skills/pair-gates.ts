/** @file A pair's own pool of LoRAs on a task: gates that its generator predicts from the prompt, or that few examples choose. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { readJsonFile, writeJsonFile } from "../../../src/base/json-file.ts";
import { type GateWay, specializeFromExamples, splitExamples } from "../../../src/dispatch/gates.ts";
import { withNewFolder } from "../../../src/export/new-folder.ts";
import { loadPair } from "../../../src/pair/pair-file.ts";
import { encodeSpecialization, writeSpecialization } from "../../../src/pair/specialization-file.ts";
import { createSpecializer } from "../../../src/pair/specialize.ts";
import { askedTask } from "../../transformer2/draw.ts";
import { type TaskName, tasks } from "../../transformer2/tasks.ts";
import type { Context } from "../row.ts";
import { openPlace } from "./place.ts";
import { searchSizes } from "./search.ts";

const Found = z.strictObject({ seconds: z.number(), bytes: z.int(), examples: z.int() });
const record = "found.json";
export type PairGates = z.infer<typeof Found> & { readonly method: string };

/** Where gates come from. */
export type GatesBy = "predicted" | GateWay;

/** Kept as a specialisation; made once. Throws as `specializeFromExamples`. */
export async function pairGates(by: GatesBy, task: TaskName, shots: number, context: Context): Promise<PairGates> {
  const place = await openPlace(context);
  const folder = join(place.searches, ["pair", task, by, shots, context.budget].join("-"));
  if (!existsSync(folder))
    await withNewFolder(folder, async (part) => writeJsonFile(join(part, record), await make(part)));
  return { ...(await readJsonFile(join(folder, record), Found)), method: `specialization:${folder}` };

  async function make(into: string): Promise<z.infer<typeof Found>> {
    const pair = await loadPair(place.pair, { exact: true });
    const { examples, systemPrompt } = askedTask(place.families[task], { split: "test", items: 1 });
    const own = examples.slice(0, shots);
    await using specializer = await createSpecializer(pair);
    const from = performance.now();
    const start = await specializer.specialize(systemPrompt);
    const { specialization } =
      by === "predicted"
        ? { specialization: start }
        : await specializeFromExamples(pair, start, splitExamples(own), {
            ...searchSizes(context),
            way: by,
            scorer: tasks[task].scorer,
            signal: context.signal,
            onState: ({ at }) => context.tell(`gates of ${task}, ${by}: ${at}`),
          });
    await writeSpecialization(into, specialization);
    return {
      seconds: (performance.now() - from) / 1000,
      bytes: encodeSpecialization(specialization).length,
      examples: by === "predicted" ? 0 : own.length,
    };
  }
}
