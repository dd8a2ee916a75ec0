/** @file Factors of one model on another of its shape: in order, and shuffled as the control. */
import { join } from "node:path";
import { createRng } from "../../../src/base/rng.ts";
import type { LogLine } from "../../../src/eval/log.ts";
import { svfMaps } from "../../../src/models/decomposable.ts";
import { openModel } from "../../../src/models/model-file.ts";
import { expertFileName, readExpert, writeExpert } from "../../../src/svf/expert-file.ts";
import { transferExpert } from "../../../src/svf/transfer.ts";
import { askedTask } from "../../transformer2/draw.ts";
import type { SkillName } from "../../transformer2/tasks.ts";
import { plan } from "../../transformer2/trainings.ts";
import { askTasks } from "../ask.ts";
import { paragraphs } from "../markdown.ts";
import type { Context, Page } from "../row.ts";
import { base, questionsOf } from "../skills/ask.ts";
import { chosen } from "../skills/chosen.ts";
import { againstArm, againstBase, differenceTable, standing } from "../skills/compare.ts";
import { stepNote, trainingNotes } from "../skills/notes.ts";
import { openPlace } from "../skills/place.ts";
import { secondModel, secondPair } from "../skills/second-model.ts";
import { type Trained, trainedAll } from "../skills/trained.ts";

/** Shuffles of each skill, so that a difference is not one of a single shuffle. */
const shuffles = ["shuffled", "shuffled again", "shuffled once more"] as const;
const orders = ["in order", ...shuffles] as const;

export async function transferPage(context: Context): Promise<Page> {
  const place = await openPlace(context);
  const tuned = await chosen({ task: "science", adapter: "lora", by: "answers" }, context);
  const skills = await trainedAll(plan.skills, context);
  if (tuned.failed !== undefined)
    return { text: paragraphs("There is no second model: its training has no result.", ...trainingNotes([tuned])) };
  const pair = await secondPair(place, tuned);
  const move = await mover(place.model.edge, secondModel(pair));
  const lines: LogLine[] = [];
  for (const one of skills.filter(({ failed }) => failed === undefined)) {
    const task = one.training.task as SkillName;
    const asked = askedTask(place.families[task], { split: "test", items: questionsOf(context) });
    const labels = new Map<string, string>([["base", base.label]]);
    for (const order of orders) labels.set(`svf:${await move(one, order, place.pools)}`, order);
    const found = await askTasks(
      [asked],
      { id: "transformer2-second", methods: [...labels.keys()], exact: true },
      { ...context, pair, methods: [] },
    );
    for (const [method, label] of labels)
      lines.push(...found.filter((line) => line.method === method).map((line) => ({ ...line, method: label })));
  }
  return {
    text: paragraphs(
      `The second model is the edge model with a LoRA merged into it that was trained on answers of \`science\`. Factor i of a skill goes to the i-th largest singular value there; shuffled, the same factors stand in random order, three orders a skill. Each skill is asked its own task.`,
      ...standing(lines, orders, context, { rivals: [{ ...againstBase, title: "− second model" }] }),
      "What the order is worth:",
      ...differenceTable(lines, ["in order"], shuffles.map(againstArm)),
      stepNote(context),
      ...trainingNotes(skills),
      "The documents: factors move between models of one shape, and shuffled ones do worse; their cells are of Llama3-8B on Mistral-7B and not in the sources at hand.",
    ),
  };
}

type Move = (skill: Trained, order: (typeof orders)[number], into: string) => Promise<string>;

/** Writes a skill of one model as one of another; a folder that an evaluation can name. */
async function mover(from: string, to: string): Promise<Move> {
  const [before, after] = [await openModel(from), await openModel(to)];
  const source = ({ sha256, config }: typeof before) => ({ sha256, maps: svfMaps(config, "both") });
  return async ({ name, folder }, order, into) => {
    const shuffle = order === "in order" ? undefined : createRng(`${order} ${name}`);
    const moved = transferExpert(await readExpert(folder), source(before), source(after), { shuffle });
    const path = join(into, "transferred", `${name}-${order.replaceAll(" ", "-")}`);
    await writeExpert(join(path, expertFileName), moved);
    return path;
  };
}
