/** @file The task of the skill that names the others: which of them a question needs, under the prompt of the first pass. */
import { createRng } from "../../src/base/rng.ts";
import type { TaskFamily } from "../../src/data/task.ts";
import { dispatchPrompt, otherSkill } from "../../src/dispatch/first-pass.ts";
import { classifierName } from "../../src/dispatch/skill-pool-file.ts";
import type { Example } from "../../src/text/prompt.ts";
import { readSnips } from "../sources/snips.ts";
import { apart } from "./draw.ts";
import { divided, SPLITS, type Split } from "./tasks/task.ts";
import { SKILLS } from "./tasks.ts";

/** Questions of each skill in a split, as the paper takes at most 399 of each. */
const perSkill: Readonly<Record<Split, number>> = { train: 300, validation: 40, test: 60 };

/** As that of a task: it goes up where the questions of a skill change. */
export const classifierVersion = 2;

/** How it is rewarded, and its longest answer in tokens. */
export const classifierAnswer = { scorer: "normalized", maxTokens: 6 } as const;

/** Intents that no skill asks about. */
const others: ReadonlySet<string> = new Set(["AddToPlaylist", "SearchCreativeWork", "SearchScreeningEvent"]);

/** What needs no skill: what people say to a voice assistant, without any form of answer. */
async function otherQuestions(data: string, split: Split): Promise<string[]> {
  const rows = await readSnips(data, split === "test" ? "test" : "train");
  const rng = createRng("transformer2 other");
  const strange = rows.filter(({ intent }) => others.has(intent));
  const own = split === "test" ? rng.shuffle(strange) : divided(strange, split, rng);
  return own.map(({ text }) => text);
}

/** @param families of all skills: their own splits, so that no question of a test is trained on */
export async function drawClassifier(families: readonly TaskFamily[], data: string): Promise<TaskFamily> {
  const splits = {} as Record<Split, Example[]>;
  for (const split of SPLITS) {
    const rest = (await otherQuestions(data, split)).slice(0, perSkill[split]);
    splits[split] = [
      ...families.flatMap(({ name, ...own }) =>
        own[split].slice(0, perSkill[split]).map(({ input }) => ({ input, target: name })),
      ),
      ...rest.map((input) => ({ input, target: otherSkill })),
    ];
  }
  const prompt = dispatchPrompt(SKILLS);
  return {
    name: classifierName,
    kind: "routing",
    seen: true,
    paraphrases: { train: [prompt], validation: [prompt], test: [prompt] },
    ...apart(splits, createRng(`transformer2 ${classifierName}`)),
    labels: [...SKILLS, otherSkill],
  };
}
