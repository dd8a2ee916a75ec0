/**
 * @file What a rule can reach at all: a LoRA of its own, without any prompt, over the inputs of the training data's rules:
 *   npx tsx runs/smollm2/one-rule.ts RULE [DATA = work/smollm2/data] [BATCH = 16] [STEPS = 60] [RATE = 0.002]
 * writes work/smollm2/one-rule/RULE/{train,validation}.jsonl and a configuration for `loragen train --config`. RULE is a kind of
 * transform (drop-first, initials, …), one with a value ("nth-word third"), or word-count.
 */
import { join } from "node:path";
import { createRng, type Rng } from "../../src/base/rng.ts";
import { readEpisodes } from "../../src/data/episode.ts";
import type { Behaviour } from "./behaviour.ts";
import { writeOwnLora } from "./own-lora.ts";
import { wordCount } from "./rules/composed.ts";
import { transform, transformKinds } from "./rules/transforms.ts";
import { answersOf } from "./task-set.ts";

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

const [name, data = "work/smollm2/data", batch = "16", steps = "60", rate = "0.002"] = process.argv.slice(2);
if (name === undefined) throw new Error("expected the name of a rule");
const rng = createRng(name);
const all = await readEpisodes(join(data, "train.jsonl"));
const inputs = new Set(
  all.filter(({ family }) => family.startsWith("rule ")).flatMap(({ queries }) => queries.map(({ input }) => input)),
);
const texts = [...inputs].map((text) => ({ text, source: "", domain: "", intent: "" }));
const pairs = answersOf(texts, ruleNamed(name, rng.split("rule")));
const folder = join("work/smollm2/one-rule", name.replaceAll(" ", "-"));
const sizes = { batch: Number(batch), steps: Number(steps), rate: Number(rate) };
console.log(await writeOwnLora(folder, pairs, rng.split("order"), sizes));
