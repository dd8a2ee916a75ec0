/** @file What was trained beside a subject's frozen model and lies in a file: reading it for that model, and how it stands beside the weights. */
import type { z } from "zod";
import { AppError } from "../base/errors.ts";
import type { StepChange } from "../decode/cached-model.ts";
import { weight } from "../graph/build.ts";
import type { Node, Shape } from "../graph/types.ts";
import type { ModelConfig } from "../models/config.ts";
import { type Learned, readLearned } from "../models/learned-file.ts";
import type { Parts } from "../nn/parts.ts";
import type { Subject } from "./method.ts";

export type LearnedKind<Settings> = {
  readonly settings: z.ZodType<Settings>;
  readonly shapes: (settings: Settings, config: ModelConfig) => ReadonlyMap<string, readonly number[]>;
};

/** Reads what was trained for the subject's model. Throws E_MISMATCH where that was changed since it was opened, and as `readLearned`. */
export async function learnedFor<Settings>(
  path: string,
  { model, stored }: Subject,
  { settings, shapes }: LearnedKind<Settings>,
): Promise<Learned<Settings>> {
  if (stored === undefined || stored.weights !== model.weights || model.adapter !== undefined)
    throw new AppError("E_MISMATCH", `${path}: needs the model as it was opened, not one that was changed`);
  return readLearned(path, {
    modelSha256: stored.sha256,
    settings,
    shapes: (found) => shapes(found, model.config),
  });
}

/** Bytes of what was learnt. */
export const learnedBytes = ({ tensors }: Learned<unknown>): number =>
  [...tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);

const prefix = "learned.";

/** The name that a learnt tensor has in a graph. */
export const learnedName = (name: string): string => prefix + name;

/** A change of a model's parts by learnt tensors. */
export const changeBy = (
  { tensors }: Learned<unknown>,
  wrap: (parts: Parts, parameter: (name: string, shape: Shape) => Node) => Parts,
): StepChange => ({
  wrap: (parts) => wrap(parts, (name, shape) => weight(learnedName(name), shape)),
  weights: Object.fromEntries([...tensors].map(([name, data]) => [learnedName(name), { kind: "data", data }])),
  feeds: {},
});
