/** @file The files that trainings read: prompts with six questions, rows of one question behind its prompt, the same of each task, and instructions among them. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createRng } from "../../src/base/rng.ts";
import { type Episode, readEpisodes, writeEpisodes } from "../../src/data/episode.ts";
import { abstract, readInstructionFile } from "../paper/abstraction.ts";
import { type Drawing, drawEpisodes, longest, readSeen, SEEN, type SeenTask } from "./draw.ts";

/** Goes up where other rows are drawn: what was trained on the old ones is then refused. */
const version = 1;

/** `prompts`: six questions each, as a generator reads them. `rows`: one question behind its own prompt. A task's name: its prompts alone. */
export const EPISODE_SETS = ["prompts", "rows", ...SEEN] as const;
type DrawnSet = (typeof EPISODE_SETS)[number];
/** `instructed`: a quarter of `prompts` replaced by abstracted instructions; its validation prompts are those of `prompts`. */
export type EpisodeSet = DrawnSet | "instructed";

type Split = "train" | "validation";
type Sizes = Pick<Drawing, "tasks" | "questions"> & { readonly [S in Split]: number };

const ofTask = (task: SeenTask): Sizes => ({ tasks: [task], questions: 6, train: 600, validation: 48 });

/** As many as the longest training reads: 400 batches of 6 prompts or of 12 rows, 100 of one task. */
const sizes: { readonly [S in DrawnSet]: Sizes } = {
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
  validation: fileOf(folder, set === "instructed" ? "prompts" : set, "validation"),
});

/** The same for the same data. */
export function drawSet(rows: Awaited<ReturnType<typeof readSeen>>, set: DrawnSet, split: Split): Episode[] {
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

/** Where the instructions are that rules take apart. */
export const instructionFile = (data: string): string => join(data, "gpteacher_roleplay/train.jsonl.gz");

/** Longest question with its answer, in characters: what a row of the training has room for. */
const longestInstruction = 500;

/** Every fourth prompt becomes an instruction of a drawn order, each as often as the others. */
export function withInstructions(prompts: readonly Episode[], instructions: readonly Episode[]): Episode[] {
  const short = instructions.flatMap((episode) => {
    const queries = episode.queries.filter(({ input, target }) => input.length + target.length <= longestInstruction);
    return queries.length === 0 || episode.prompt.length > longest.prompt ? [] : [{ ...episode, queries }];
  });
  const order = createRng("reasoning instructed").shuffle(short);
  return prompts.map((episode, i) => (i % 4 === 3 ? order[((i - 3) / 4) % order.length]! : episode));
}

/** Writes `instructed` where it is not there yet, from GPTeacher's role play. Throws as `writeSets`. */
export async function writeInstructed(data: string, folder: string): Promise<void> {
  const path = fileOf(folder, "instructed", "train");
  if (existsSync(path)) return;
  await writeSets(data, folder);
  const { episodes } = abstract(await readInstructionFile(instructionFile(data)));
  await writeEpisodes(path, withInstructions(await readEpisodes(fileOf(folder, "prompts", "train")), episodes));
}
