/** @file The better of two learning rates, by validation: never by what a page reports. */
import type { SkillName } from "../../transformer2/tasks.ts";
import { nameOf, type Training } from "../../transformer2/trainings.ts";
import type { Context } from "../row.ts";
import { askSkills, shareOf } from "./ask.ts";
import { openPlace } from "./place.ts";
import { type Trained, trainedAll } from "./trained.ts";
import { requireUntested } from "./untested.ts";

export type Validated = Trained & {
  /** Share of right answers on validation; undefined for a training without a result. */
  readonly validation: number | undefined;
};

/** Both rates with what they score on validation. */
export async function bothRates(training: Training, context: Context): Promise<Validated[]> {
  const both = await trainedAll([training, { ...training, rate: "second" }], context);
  const task = training.task as SkillName;
  const { families } = await openPlace(context);
  requireUntested(`learning rates of ${task}`, families[task].validation, families[task]);
  const all: Validated[] = [];
  for (const one of both) {
    const label = nameOf(one.training);
    const asked =
      one.failed === undefined
        ? await askSkills({ tasks: [task], arms: [{ label, method: one.method }], split: "validation" }, context)
        : [];
    all.push({ ...one, validation: shareOf(asked, label, `${task}-validation`) });
  }
  return all;
}

/** The first where both are as good. */
export async function chosen(training: Training, context: Context): Promise<Validated> {
  const [first, second] = await bothRates(training, context);
  return (second!.validation ?? -1) > (first!.validation ?? -1) ? second! : first!;
}
