/** @file The files that trainings read: prompts with six questions, rows of one question behind its prompt, and the same of each task. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createRng } from "../../src/base/rng.ts";
import { type Episode, writeEpisodes } from "../../src/data/episode.ts";
import { type Drawing, drawEpisodes, readSeen, SEEN, type SeenTask } from "./draw.ts";

/** Goes up where other rows are drawn: what was trained on the old ones is then refused. */
const version = 1;

/** `prompts`: six questions each, as a generator reads them. `rows`: one question behind its own prompt. A task's name: its prompts alone. */
export const EPISODE_SETS = ["prompts", "rows", ...SEEN] as const;
export type EpisodeSet = (typeof EPISODE_SETS)[number];

type Split = "train" | "validation";
type Sizes = Pick<Drawing, "tasks" | "questions"> & { readonly [S in Split]: number };

const ofTask = (task: SeenTask): Sizes => ({ tasks: [task], questions: 6, train: 600, validation: 48 });

/** As many as the longest training reads: 400 batches of 6 prompts or of 12 rows, 100 of one task. */
const sizes: { readonly [S in EpisodeSet]: Sizes } = {
  prompts: { tasks: SEEN, questions: 6, train: 2400, validation: 48 },
  rows: { tasks: SEEN, questions: 1, train: 4800, validation: 96 },
  "arc-c": ofTask("arc-c"),
  "arc-e": ofTask("arc-e"),
  openbookqa: ofTask("openbookqa"),
  boolq: ofTask("boolq"),
};

const fileOf = (folder: string, set: EpisodeSet, split: Split): string =>
  join(folder, `${set}-${split}${version === 1 ? "" : `-v${version}`}.jsonl`);

/** What a training names as its data. */
export const episodeFiles = (folder: string, set: EpisodeSet) => ({
  train: fileOf(folder, set, "train"),
  validation: fileOf(folder, set, "validation"),
});

/** The same for the same data. */
export function drawSet(rows: Awaited<ReturnType<typeof readSeen>>, set: EpisodeSet, split: Split): Episode[] {
  const { tasks, questions, ...prompts } = sizes[set];
  const drawing = { tasks, questions, split, prompts: prompts[split] };
  return drawEpisodes(rows, createRng(`reasoning ${set} ${split}`), drawing);
}

/** Writes the files that are not there yet. Throws as `readSeen`. */
export async function writeSets(data: string, folder: string): Promise<void> {
  const files = EPISODE_SETS.flatMap((set) =>
    (["train", "validation"] as const).map((split) => ({ set, split, path: fileOf(folder, set, split) })),
  ).filter(({ path }) => !existsSync(path));
  if (files.length === 0) return;
  const rows = await readSeen(data);
  await mkdir(folder, { recursive: true });
  for (const { set, split, path } of files) await writeEpisodes(path, drawSet(rows, set, split));
}
