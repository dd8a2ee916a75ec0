/** @file Mixtures that few examples choose, kept as one skill beside the search's history: searched once, whatever page asks for it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../../../src/base/errors.ts";
import { sha256 } from "../../../src/base/hash.ts";
import { readJsonFile, writeJsonFile } from "../../../src/base/json-file.ts";
import { findShares, type SearchName } from "../../../src/dispatch/few-shot.ts";
import { createShotScorer } from "../../../src/dispatch/shots.ts";
import { openSkillPool } from "../../../src/dispatch/skill-pool-file.ts";
import { pairSubject } from "../../../src/eval/subject.ts";
import { withNewFolder } from "../../../src/export/new-folder.ts";
import { loadPair } from "../../../src/pair/pair-file.ts";
import { askedTask } from "../../transformer2/draw.ts";
import type { TaskName } from "../../transformer2/tasks.ts";
import type { Budget, Context } from "../row.ts";
import type { Arm } from "./ask.ts";
import { openPlace } from "./place.ts";
import type { Pool } from "./pool.ts";
import { requireUntested } from "./untested.ts";

/** Of examples in a search, on pages that do not compare their numbers. */
export const usualShots = 10;

export type Wanted = {
  readonly pool: Pool;
  readonly task: TaskName;
  readonly shots: number;
  readonly search?: SearchName;
  readonly perLayer?: boolean;
};

const Found = z.strictObject({
  skills: z.array(z.string()),
  /** (layers, skills). */
  shares: z.array(z.array(z.number())),
  /** Of the examples. */
  accuracy: z.number(),
  /** Times that all examples were asked. */
  evaluations: z.int(),
  ms: z.number(),
  history: z.array(
    z.object({
      generation: z.int(),
      accuracy: z.number(),
      best: z.number(),
      mean: z.number(),
      shares: z.array(z.number()),
    }),
  ),
});
const record = "found.json";
export type Mixture = z.infer<typeof Found> & Arm & { readonly shots: number; readonly task: TaskName };

/** The published code's, or a few. */
const sizes: Readonly<Record<Budget, { readonly generations: number; readonly population: number }>> = {
  minutes: { generations: 2, population: 3 },
  hours: { generations: 10, population: 32 },
  full: { generations: 10, population: 32 },
};

export const searchSizes = ({ budget }: Pick<Context, "budget">) => sizes[budget];

/** Throws E_INTERRUPTED where it was stopped: a search begins anew; E_DATA where mixtures do not differ on the examples. */
export async function searched(wanted: Wanted, context: Context): Promise<Mixture> {
  const { pool, task, shots, search: by = "cem", perLayer = false } = wanted;
  const place = await openPlace(context);
  const { examples, scorer, maxTokens } = askedTask(place.families[task], { split: "test", items: 1 });
  const shown = examples.slice(0, shots);
  requireUntested(`search for ${task}`, shown, place.families[task]);
  // Named by what it reads too: of other skills or examples it is another search.
  const content = sha256(JSON.stringify([pool.sha256, shown])).slice(0, 12);
  const name = [pool.name, task, by, ...(perLayer ? ["layers"] : []), shots, context.budget, content].join("-");
  const folder = join(place.searches, name);
  const label = `${by}${perLayer ? " by layer" : ""}, ${shots} shots`;
  const known = { label, method: `${pool.name === "svf" ? "svf" : "lora"}:${folder}`, shots, task };
  if (!existsSync(folder))
    await withNewFolder(folder, async (part) => writeJsonFile(join(part, record), await search(part)));
  return { ...(await readJsonFile(join(folder, record), Found)), ...known };

  async function search(into: string): Promise<z.infer<typeof Found>> {
    const { signal, tell } = context;
    await using subject = pairSubject(await loadPair(place.pair, { exact: true }));
    const opened = await openSkillPool(pool.folder, subject);
    const { change, steer } = opened.steered();
    const from = performance.now();
    const asked = { examples: shown, scorer: scorer as "exact", maxTokens };
    await using scoring = createShotScorer({ ...subject, change }, asked);
    const found = await findShares(
      { skills: opened.names.length, layers: opened.layers, examples: asked.examples.length },
      (shares) => {
        steer(shares);
        return scoring.score(signal);
      },
      {
        ...searchSizes(context),
        search: by,
        perLayer,
        signal,
        onGeneration: ({ generation, accuracy }) => tell(`${name}: generation ${generation + 1}, best ${accuracy}`),
      },
    );
    if (found.interrupted || signal?.aborted === true)
      throw new AppError("E_INTERRUPTED", `${name}: stopped; the same command begins this search anew`);
    await opened.save(into, found.shares, { by: name });
    return {
      skills: [...opened.names],
      shares: found.shares.map((row) => [...row]),
      accuracy: found.accuracy,
      evaluations: found.evaluations,
      ms: performance.now() - from,
      history: found.history.map((one) => ({ ...one, shares: [...one.shares] })),
    };
  }
}
