/**
 * @file Draws what is trained on the paper's seen tasks:
 *   npx tsx runs/reasoning/data.ts [DATA = ../shared/data] [OUT = work/reproduce/reasoning/data]
 * and says how many rows of each task are short enough, and how long prompts and questions are.
 */
import { parseArgs } from "node:util";
import { readEpisodes } from "../../src/data/episode.ts";
import { mean } from "../../src/eval/statistics.ts";
import { loadTokenizer } from "../../src/text/tokenizer-file.ts";
import { runCommand } from "../reproduce/command.ts";
import { shippedModel } from "../reproduce/shipped-pair.ts";
import { readSeen, SEEN } from "./draw.ts";
import { EPISODE_SETS, episodeFiles, writeSets } from "./episodes.ts";

async function main(): Promise<void> {
  const { positionals } = parseArgs({ allowPositionals: true });
  const [data = "../shared/data", out = "work/reproduce/reasoning/data"] = positionals;
  await writeSets(data, out);
  const rows = await readSeen(data);
  for (const task of SEEN)
    console.log(`${task}: ${rows[task].train.length} rows to learn from, ${rows[task].validation.length} to choose by`);
  const tokenizer = await loadTokenizer(shippedModel);
  const tokensOf = (text: string): number => tokenizer.encode(text).length;
  for (const set of EPISODE_SETS) {
    const files = episodeFiles(out, set);
    const episodes = await readEpisodes(files.train);
    const prompts = episodes.map(({ prompt }) => tokensOf(prompt));
    const questions = episodes.flatMap(({ queries }) =>
      queries.map(({ input, target }) => tokensOf(`${input} ${target}`)),
    );
    console.log(
      `${files.train}: ${episodes.length} prompts of ${Math.round(mean(prompts))} tokens (${Math.max(...prompts)} at most), questions of ${Math.round(mean(questions))} (${Math.max(...questions)} at most)`,
    );
  }
}

await runCommand(main);
