/** @file The model with a LoRA adapter that was trained beforehand: no prompt, one change for every task it is used on. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../base/errors.ts";
import { adapterRank } from "../lora/low-rank.ts";
import { readPeftChange } from "../lora/peft-change.ts";
import { peftFiles } from "../lora/peft-config.ts";
import { applyPeftChange, peftBaseOf } from "../models/peft-base.ts";
import { freeOfCost, type Method } from "./method.ts";

/** Where a folder that is given may hold the adapter: itself, or the output of a training run. */
const places = [".", "best", "adapter", "model"];

/** `folder`: in PEFT's format, or the output of a run that trained one. */
export const lora = (folder: string): Method => ({
  summary: "the edge model with the LoRA adapter in FOLDER (PEFT's format, or a run's output), input alone",
  async prepare({ model }) {
    const from = performance.now();
    const { adapter: other, ...plain } = model;
    if (other !== undefined) throw new AppError("E_MISMATCH", `${folder}: the model has an adapter already`);
    const change = await readPeftChange(await findAdapter(folder), peftBaseOf(model));
    const { adapter, whole } = change;
    const lengths = [...[...adapter.values()].flatMap(({ a, b }) => [a, b]), ...whole.values()].map((v) => v.length);
    const bytes = lengths.reduce((sum, length) => sum + 4 * length, 0);
    if (adapterRank(adapter) === 0 && whole.size === 0)
      throw new AppError("E_MISMATCH", `${folder}: the adapter changes nothing`);
    const adapted = await applyPeftChange(plain, change);
    return { model: adapted, cost: { ...freeOfCost, seconds: (performance.now() - from) / 1000, bytes } };
  },
});

async function findAdapter(folder: string): Promise<string> {
  for (const place of places) {
    const path = join(folder, place);
    const found = await stat(join(path, peftFiles.config)).catch(() => undefined);
    if (found?.isFile()) return path;
  }
  throw new AppError(
    "E_NOT_FOUND",
    `${folder}: expected ${peftFiles.config} in it, or in ${places.slice(1).join(", ")}`,
  );
}
