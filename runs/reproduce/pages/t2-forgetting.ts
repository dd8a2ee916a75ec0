/** @file What a skill costs the others: every skill on every task. */
import { SKILLS } from "../../transformer2/tasks.ts";
import { plan } from "../../transformer2/trainings.ts";
import { paragraphs } from "../markdown.ts";
import type { Budget, Context, Page } from "../row.ts";
import { askSkills, base } from "../skills/ask.ts";
import { standing } from "../skills/compare.ts";
import { stepNote, trainingNotes } from "../skills/notes.ts";
import { trainedAll } from "../skills/trained.ts";
import { othersOf } from "./t2-accuracy.ts";

const items: Readonly<Record<Budget, number>> = { minutes: 4, hours: 100, full: 200 };

export async function forgettingPage(context: Context): Promise<Page> {
  const skills = await trainedAll(plan.skills, context);
  const loras = await othersOf(["lora"], context);
  const all = [...skills, ...loras];
  const arms = all.flatMap(({ training: { adapter, task }, method, failed }) =>
    failed === undefined ? [{ label: `${task} (${adapter === "svf" ? "SVF" : "LoRA"})`, method }] : [],
  );
  const lines = await askSkills({ tasks: SKILLS, arms: [base, ...arms], items: items[context.budget] }, context);
  return {
    text: paragraphs(
      "A row is what was trained for one task: SVF by rewards, LoRA on answers at the better of two rates. A column is a task.",
      ...standing(
        lines,
        arms.map(({ label }) => label),
        context,
        { items: items[context.budget] },
      ),
      stepNote(context),
      ...trainingNotes(all),
      "The documents ask for this (continual learning) and print no numbers.",
    ),
  };
}
