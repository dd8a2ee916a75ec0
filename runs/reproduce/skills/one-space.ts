/** @file Both systems as one space: a few numbers for each layer choose among LoRAs or among skills, predicted, searched or learnt. */
import { expertSize } from "../../../src/svf/expert.ts";
import { readExpert } from "../../../src/svf/expert-file.ts";
import { fewShot } from "../../transformer2/trainings.ts";
import { number, table } from "../markdown.ts";
import type { Context } from "../row.ts";
import { type Arm, askSkills, base, shareOf } from "./ask.ts";
import { type GatesBy, pairGates } from "./pair-gates.ts";
import { openPool } from "./pool.ts";
import { searched, usualShots as shots } from "./search.ts";
import { trained } from "./trained.ts";

type Point = Arm & {
  readonly pool: string;
  /** Once for the task; undefined where each question takes some. */
  readonly seconds: number | undefined;
  readonly examples: number;
  /** What is kept for the task, beside the pool. */
  readonly bytes: number;
};

const loraPool = "LoRAs of the pair";
const svfPool = "skills (SVF)";

/** Parts of a page: what was compared, and the table. */
export async function oneSpace(context: Context): Promise<string[]> {
  const points: Point[] = [];
  for (const by of ["predicted", "searched", "learnt"] as const satisfies readonly GatesBy[]) {
    const gates = await pairGates(by, fewShot, shots, context);
    points.push({ ...gates, pool: loraPool, label: by });
  }
  const pool = await openPool("svf", context);
  points.push({
    pool: svfPool,
    label: "predicted: named by prompt",
    method: `skills-prompt:${pool.folder}`,
    seconds: undefined,
    examples: 0,
    bytes: 0,
  });
  const mixture = await searched({ pool, task: fewShot, shots }, context);
  const { skills, shares, method, ms } = mixture;
  const numbers = shares.length * skills.length;
  points.push({ pool: svfPool, label: "searched", method, seconds: ms / 1000, examples: shots, bytes: 4 * numbers });
  const learnt = await trained({ task: fewShot, adapter: "svf", by: "shots", shots }, context);
  if (learnt.failed === undefined)
    points.push({
      pool: svfPool,
      label: "learnt: z itself, from 1 on",
      method: learnt.method,
      seconds: learnt.seconds,
      examples: shots,
      bytes: 4 * expertSize(await readExpert(learnt.folder)),
    });
  const arms = points.map(({ pool: name, label, method: asked }) => ({ label: `${name}: ${label}`, method: asked }));
  const lines = await askSkills({ tasks: [fewShot], arms: [base, ...arms] }, context);
  const percent = (label: string) => number(100 * (shareOf(lines, label, fewShot) ?? Number.NaN));
  return [
    `\`${fewShot}\`, for which nothing was trained. The pair's generator predicts gates from the prompt alone; examples choose others, by a search or by gradients, and a part of them is set aside to keep the best. The prompt of the pair is the form of the answer, which each question ends with too.`,
    table(
      ["pool, and how", "accuracy, %", "seconds, once", "examples", "bytes for the task"],
      [
        ["base model, no pool", percent(base.label), "–", 0, 0],
        ...points.map((point, i) => [
          arms[i]!.label,
          percent(arms[i]!.label),
          point.seconds === undefined ? "a pass a question" : number(point.seconds, 1),
          point.examples,
          point.bytes.toLocaleString("en"),
        ]),
      ],
    ),
    "Gates over skills are not learnt by gradients here: learnt are factors of the task's own. The pair's LoRAs were trained on other prompts, whose answers have no letters; they and the skills are no like for like.",
  ];
}
