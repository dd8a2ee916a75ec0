/**
 * @file What a rule can reach at all: a LoRA of its own, without any prompt, over the inputs of the training data's rules:
 *   npx tsx runs/smollm2/one-rule.ts RULE [DATA = work/smollm2/data] [BATCH = 16] [STEPS = 60] [RATE = 0.002]
 * writes work/smollm2/one-rule/RULE/{train,validation}.jsonl and a configuration for `loragen train --config`. RULE is a kind of
 * transform (drop-first, initials, …), one with a value ("nth-word third"), or word-count.
 */
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writeJsonFile } from "../../src/base/json-file.ts";
import { createRng, type Rng } from "../../src/base/rng.ts";
import { type Episode, readEpisodes, writeEpisodes } from "../../src/data/episode.ts";
import type { Behaviour } from "./behaviour.ts";
import { wordCount } from "./rules/composed.ts";
import { transform, transformKinds } from "./rules/transforms.ts";

const queriesPerPrompt = 5;
const validationPrompts = 32;
const longestInput = 160;

/** A rule by its name; parameters are drawn until it is the one that was asked for. */
function ruleNamed(name: string, rng: Rng): Behaviour {
  if (name === "word-count") return wordCount();
  const [kind] = name.split(" ") as [string];
  for (let draw = 0; transformKinds.includes(kind) && draw < 1000; draw++) {
    const rule = transform(kind, rng.split(String(draw)));
    if (rule.key === name) return rule;
  }
  throw new Error(`expected word-count or a transform with one of its values, found ${name}`);
}

/** Every input once, in groups; the prompt has no part in it. */
function episodesOf(rule: Behaviour, inputs: readonly string[], rng: Rng): Episode[] {
  const queries = rng.shuffle([...inputs]).flatMap((input) => {
    const target = rule.answer({ text: input, source: "", domain: "", intent: "" });
    return target === undefined || target === "" || input.length > longestInput ? [] : [{ input, target }];
  });
  return Array.from({ length: Math.floor(queries.length / queriesPerPrompt) }, (_, i) => ({
    family: rule.key,
    prompt: "-",
    queries: queries.slice(i * queriesPerPrompt, (i + 1) * queriesPerPrompt),
  }));
}

const Run = z.looseObject({ optimizer: z.looseObject({}) });

const [name, data = "work/smollm2/data", batch = "16", steps = "60", rate = "0.002"] = process.argv.slice(2);
if (name === undefined) throw new Error("expected the name of a rule");
const rng = createRng(name);
const all = await readEpisodes(join(data, "train.jsonl"));
const inputs = new Set(
  all.filter(({ family }) => family.startsWith("rule ")).flatMap(({ queries }) => queries.map(({ input }) => input)),
);
const episodes = episodesOf(ruleNamed(name, rng.split("rule")), [...inputs], rng.split("order"));
const folder = join("work/smollm2/one-rule", name.replaceAll(" ", "-"));
await mkdir(folder, { recursive: true });
if (episodes.length <= validationPrompts)
  throw new Error(`${name}: expected inputs for more than ${validationPrompts} prompts, found ${episodes.length}`);
const files = { train: join(folder, "train.jsonl"), validation: join(folder, "validation.jsonl") };
await writeEpisodes(files.validation, episodes.slice(0, validationPrompts));
await writeEpisodes(files.train, episodes.slice(validationPrompts));
const {
  generator: _generator,
  cloud: _cloud,
  listShare: _listShare,
  ...shared
} = Run.parse(JSON.parse(readFileSync(new URL("config/generator.json", import.meta.url), "utf8")));
const config = join(folder, `lora-${batch}-${rate}.json`);
await writeJsonFile(config, {
  ...shared,
  kind: "lora",
  output: join(folder, `run-${batch}-${rate}`),
  steps: Number(steps),
  batch: Number(batch),
  optimizer: {
    ...shared.optimizer,
    learningRate: Number(rate),
    schedule: "linear",
    warmupSteps: 5,
    scheduleSteps: Number(steps),
    finalShare: 0,
  },
  episodes: files,
  validateEvery: 20,
  validationBatches: Math.max(1, Math.floor(validationPrompts / Number(batch))),
});
console.log(config);
