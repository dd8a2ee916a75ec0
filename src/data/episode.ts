/** @file Episodes: prompts that were drawn before training, each with the queries it is asked. Read in the order of the file. */
import { z } from "zod";
import { writeFileAtomic } from "../base/atomic-file.ts";
import { AppError } from "../base/errors.ts";
import { checkSchema } from "../base/json.ts";
import { readJsonl } from "../files/jsonl.ts";

const text = z.string().min(1);
/** Each label is encoded for each prompt. */
const maxLabels = 1000;

const EpisodeSchema = z
  .strictObject({
    /** What the prompt was drawn from. Episodes of one family are counted together in reports. */
    family: text,
    /** The whole system prompt, with its examples. */
    prompt: text,
    queries: z.array(z.strictObject({ input: text, target: text })).min(1),
    /** All possible answers, where the prompt gives a closed list of them. */
    labels: z.exactOptional(z.array(text).min(1).max(maxLabels)),
  })
  .superRefine(({ labels, queries }, { addIssue }) => {
    if (labels === undefined) return;
    for (const [i, { target }] of queries.entries())
      if (!labels.includes(target))
        addIssue({
          code: "custom",
          path: ["queries", i, "target"],
          message: `expected one of the labels, found ${JSON.stringify(target)}`,
        });
  });

export type Episode = z.infer<typeof EpisodeSchema>;

/** Reads all episodes of a file. Throws E_FORMAT naming file and line, E_DATA where there are none. */
export async function readEpisodes(path: string): Promise<Episode[]> {
  const episodes: Episode[] = [];
  for await (const value of readJsonl(path))
    episodes.push(
      checkSchema(value, EpisodeSchema, { what: `${path}, line ${episodes.length + 1}`, code: "E_FORMAT" }),
    );
  if (episodes.length === 0) throw new AppError("E_DATA", `${path}: expected episodes, found none`);
  return episodes;
}

/** Writes episodes, one per line. */
export async function writeEpisodes(path: string, episodes: readonly Episode[]): Promise<void> {
  await writeFileAtomic(path, episodes.map((episode) => `${JSON.stringify(episode)}\n`).join(""));
}

/** `count` episodes from place `block · count` on; behind the last one comes the first again. */
export const episodeBlock = (episodes: readonly Episode[], block: number, count: number): Episode[] =>
  Array.from({ length: count }, (_, i) => episodes[(block * count + i) % episodes.length]!);
