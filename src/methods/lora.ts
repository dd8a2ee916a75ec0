/** @file The model with a LoRA adapter that was trained beforehand: no prompt, one change for every task it is used on. */
import { AppError } from "../base/errors.ts";
import { findPeft } from "../lora/find-peft.ts";
import { adapterRank } from "../lora/low-rank.ts";
import { readPeftChange } from "../lora/peft-change.ts";
import { applyPeftChange, peftBaseOf } from "../models/peft-base.ts";
import { freeOfCost, type Method } from "./method.ts";

/** `folder`: in PEFT's format, or the output of a run that trained one. */
export const lora = (folder: string): Method => ({
  summary:
    "the edge model with the LoRA, DoRA or IA³ adapter in FOLDER (PEFT's format, or a run's output), input alone",
  needs: { training: "each task", beside: "nothing" },
  async prepare({ model }) {
    const from = performance.now();
    const { adapter: other, ...plain } = model;
    if (other !== undefined) throw new AppError("E_MISMATCH", `${folder}: the model has an adapter already`);
    const change = await readPeftChange(await findPeft(folder), peftBaseOf(model));
    const { adapter, whole } = change;
    const lengths = [...[...adapter.values()].flatMap(({ a, b }) => [a, b]), ...whole.values()].map((v) => v.length);
    const bytes = lengths.reduce((sum, length) => sum + 4 * length, 0);
    if (adapterRank(adapter) === 0 && whole.size === 0)
      throw new AppError("E_MISMATCH", `${folder}: the adapter changes nothing`);
    const adapted = await applyPeftChange(plain, change);
    return { model: adapted, cost: { ...freeOfCost, seconds: (performance.now() - from) / 1000, bytes } };
  },
});
