/** @file What a search costs where there are more skills: the demand of a reviewer. */
import { findShares } from "../../../src/dispatch/few-shot.ts";
import { createShotScorer } from "../../../src/dispatch/shots.ts";
import { openSkillPool } from "../../../src/dispatch/skill-pool-file.ts";
import { pairSubject } from "../../../src/eval/subject.ts";
import { loadPair } from "../../../src/pair/pair-file.ts";
import { askedTask } from "../../transformer2/draw.ts";
import { fewShot, kindOf, mapsOf, TRAININGS, type Training } from "../../transformer2/trainings.ts";
import { number, paragraphs, table } from "../markdown.ts";
import type { Context, Page } from "../row.ts";
import { trainingNotes } from "../skills/notes.ts";
import { openPlace, type Place } from "../skills/place.ts";
import { copied } from "../skills/pool.ts";
import { searchSizes, usualShots } from "../skills/search.ts";
import { type Trained, trained } from "../skills/trained.ts";

const counts = [2, 4, 8, 16] as const;
const most = counts.at(-1)!;
const generations = 2;

/**
 * Factors of feed-forward maps that other pages train anyway: skills by rewards and on answers, with fewer singular values, at second rates and
 * seeds. None was trained on the examples that score a mixture.
 */
const isOfMany = ({ adapter, task, by }: Training): boolean =>
  kindOf(adapter) === "svf" && mapsOf(adapter) === "feed-forward" && task !== "classifier" && by !== "shots";
export const many: readonly Training[] = TRAININGS.filter(isOfMany);

export async function manySkillsPage(context: Context): Promise<Page> {
  const place = await openPlace(context);
  const all: Trained[] = [];
  for (const training of many) {
    if (all.filter(({ failed }) => failed === undefined).length === most) break;
    all.push(await trained(training, context));
  }
  const done = all.filter(({ failed }) => failed === undefined);
  const rows: (string | number)[][] = [];
  for (const count of counts.filter((one) => one <= done.length))
    rows.push([count, ...(await timed(done.slice(0, count), place, context))]);
  return {
    text: paragraphs(
      `${generations} generations of a search with ${usualShots} examples of \`${fewShot}\`, in all layers alike. More skills are more numbers to find, not more to compute: factors are mixed before a mixture is asked.`,
      table(["skills", "seconds a generation", "mixtures a generation", "pool, kB", "of its examples right, %"], rows),
      ...trainingNotes(all),
      "The documents: the cost of the search grows with the number of experts (a reviewer's concern, without numbers).",
    ),
  };
}

async function timed(skills: readonly Trained[], place: Place, context: Context): Promise<(string | number)[]> {
  const { folder } = await copied(`first-${skills.length}`, new Map(skills.map((one) => [one.name, one])), place);
  await using subject = pairSubject(await loadPair(place.pair, { exact: true }));
  const { examples, maxTokens, scorer } = askedTask(place.families[fewShot], { split: "test", items: 1 });
  const pool = await openSkillPool(folder, subject);
  const { change, steer } = pool.steered();
  const asked = { examples: examples.slice(0, usualShots), scorer: scorer as "exact", maxTokens };
  await using scoring = createShotScorer({ ...subject, change }, asked);
  await scoring.score(context.signal); // compiled before it is timed
  const from = performance.now();
  const { population } = searchSizes(context);
  const { accuracy } = await findShares(
    { skills: skills.length, layers: pool.layers, examples: asked.examples.length },
    (shares) => {
      steer(shares);
      return scoring.score(context.signal);
    },
    { generations, population, signal: context.signal },
  );
  const seconds = (performance.now() - from) / 1000 / generations;
  context.tell(`rv-19: ${skills.length} skills`);
  return [number(seconds, 1), population, number(pool.bytes / 1000, 0), number(100 * accuracy)];
}
