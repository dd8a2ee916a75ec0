/**
 * @file How far apart a pair's gates are for validation prompts, of one family and of different ones, and for wordings of two rules:
 *   npx tsx runs/smollm2/gate-distances.ts PAIR [EPISODES = work/smollm2/data/validation.jsonl]
 * A distance is the root mean square over layers of the Euclidean distance between two rows of gates.
 */
import { readEpisodes } from "../../src/data/episode.ts";
import { loadPair } from "../../src/pair/pair-file.ts";
import { createSpecializer } from "../../src/pair/specialize.ts";

const families = ["rule transform", "rule binary", "rule count", "labels", "super-ni", "functions"];
const promptsPerFamily = 8;
const longestPrompt = 700;
const wordings = [
  "Repeat the message in capital letters.",
  "Return all of it in upper case.",
  "Answer with the third word of the message.",
  "Pick the third word out of the sentence.",
  "Reply with the third word, nothing else.",
];

type Gates = readonly (readonly number[])[];

const distance = (a: Gates, b: Gates): number =>
  Math.sqrt(
    a.reduce((sum, row, layer) => sum + row.reduce((own, gate, i) => own + (gate - b[layer]![i]!) ** 2, 0), 0) /
      a.length,
  );

const mean = (values: readonly number[]): string =>
  (values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(3);

if (process.argv[1] === import.meta.filename) {
  const [directory, path = "work/smollm2/data/validation.jsonl"] = process.argv.slice(2);
  if (directory === undefined) throw new Error("expected a pair");
  const specializer = await createSpecializer(await loadPair(directory));
  const gatesOf = async (prompt: string): Promise<Gates> =>
    (await specializer.specialize(prompt)).gates.map((row) => [...row]);
  const episodes = await readEpisodes(path);
  const prompts = families.flatMap((family) =>
    episodes
      .filter((episode) => episode.family === family && episode.prompt.length < longestPrompt)
      .slice(0, promptsPerFamily),
  );
  const all: { readonly family: string; readonly gates: Gates }[] = [];
  for (const { family, prompt } of prompts) all.push({ family, gates: await gatesOf(prompt) });
  for (const family of families) {
    const own = all.filter((row) => row.family === family);
    const within = own.flatMap((a, i) => own.slice(i + 1).map((b) => distance(a.gates, b.gates)));
    const across = own.flatMap((a) => all.filter((b) => b.family !== family).map((b) => distance(a.gates, b.gates)));
    console.log(`${family}: ${mean(within)} within, ${mean(across)} to others`);
  }
  const gates: Gates[] = [];
  for (const wording of wordings) gates.push(await gatesOf(wording));
  for (const [i, wording] of wordings.entries())
    console.log(`${wording} ${gates.map((other) => distance(gates[i]!, other).toFixed(3)).join(" ")}`);
  await specializer.close();
}
