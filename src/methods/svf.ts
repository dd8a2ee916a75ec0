/** @file The model with a skill of Transformer² that was trained beforehand, merged into its weights. */
import { AppError } from "../base/errors.ts";
import { applyExpert } from "../models/apply-expert.ts";
import { expertSize } from "../svf/expert.ts";
import { readExpert } from "../svf/expert-file.ts";
import { freeOfCost, type Method } from "./method.ts";

/** `path`: a skill's file, or the output of a run that trained one. */
export const svf = (path: string): Method => ({
  summary: "the edge model with the skill in FILE (Transformer²; its file, or a run's output), input alone",
  needs: { training: "each task", beside: "nothing" },
  async prepare({ model, stored }) {
    const from = performance.now();
    if (stored === undefined || stored.weights !== model.weights)
      throw new AppError("E_MISMATCH", `${path}: a skill needs the model as it was opened, not one that was changed`);
    const expert = await readExpert(path);
    const adapted = await applyExpert(stored, expert);
    const seconds = (performance.now() - from) / 1000;
    return { model: adapted, cost: { ...freeOfCost, seconds, bytes: 4 * expertSize(expert) } };
  },
});
