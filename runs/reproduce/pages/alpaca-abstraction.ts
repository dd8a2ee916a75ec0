/** @file `alpaca-abstraction`: specific instructions as (system prompt, input, output), by rules; a generator trained with them and without. */
import { abstract, readInstructionFile } from "../../paper/abstraction.ts";
import { instructionFile } from "../../reasoning/episodes.ts";
import { type GeneratorName, trainings } from "../../reasoning/trainings.ts";
import { armDifferences, armTables, validationNote, validationTable } from "../arm-tables.ts";
import { type Arm, askGenerator, base, stepsOf } from "../arms.ts";
import { number, paragraphs, table } from "../markdown.ts";
import type { Context, Page } from "../row.ts";
import { isTrained, trainedGenerator } from "../seen-tasks.ts";
import { asConfigured } from "../trained-pair.ts";

const without = "without instructions";
const names = { [without]: "generator", "with instructions": "instructed" } as const satisfies Readonly<
  Record<string, GeneratorName>
>;
const seed = 1;

export async function alpacaAbstractionPage(context: Context): Promise<Page> {
  return { text: paragraphs(...(await abstracted(context)), "## What they are worth", ...(await compared(context))) };
}

async function abstracted({ data }: Context): Promise<string[]> {
  const instructions = await readInstructionFile(instructionFile(data));
  const { episodes, counts } = abstract(instructions);
  const inputs = episodes.reduce((sum, { queries }) => sum + queries.length, 0);
  return [
    "The paper lets GPT-4 rewrite Alpaca's instructions into (system prompt, input, output): 37,658 samples, not published. `runs/paper/abstraction.ts` does it by rules, here over the role-play part of GPTeacher (MIT licence): each rule cuts apart what an instruction holds, and what fits none is dropped.",
    table(
      ["what the rule finds", "instructions", "share"],
      Object.entries(counts)
        .sort(([, a], [, b]) => b - a)
        .map(([what, count]) => [what, String(count), `${number((100 * count) / instructions.length, 1)} %`]),
    ),
    `${instructions.length} instructions became ${episodes.length} system prompts with ${inputs} inputs. Most of these prompts have one input: unlike the paper's rewriting, the rules find a role, but do not generalise a task to other inputs.`,
  ];
}

async function compared(context: Context): Promise<string[]> {
  const { rate } = trainings.instructed;
  const missing = Object.values(names).filter((name) => !isTrained({ name, seed }, context));
  if (context.noTraining === true && missing.length > 0)
    return [`Not trained yet, and left out (\`--no-training\`): ${missing.join(", ")}.`];
  const arms: Arm[] = [];
  for (const [row, name] of Object.entries(names)) {
    const { pair, ...end } = await trainedGenerator(seed, context, name);
    const withBase = name === "generator";
    const folder = withBase ? asConfigured.name : name;
    const answers = await askGenerator({ name: folder, steps: stepsOf(context), seed, pair, withBase }, context);
    if (withBase) arms.push({ name: base, runs: [answers.base] });
    arms.push({ name: row, runs: [{ seed, ...answers.own, end }] });
  }
  return [
    `Two generators in the paper's configuration, ${stepsOf(context)} steps at a rate of ${rate}, one training seed: one reads prompts of the seen tasks (\`runs/reasoning\`), of the other every fourth is an abstracted instruction whose input and output are short enough. Accuracy by summed log-likelihood in %, ± one standard error over items; one example goes into the gates.`,
    ...armTables(arms),
    ...armDifferences(arms, without),
    validationNote,
    validationTable(arms),
    "The paper does not say what its instruction data add: it has no row without them.",
  ];
}
