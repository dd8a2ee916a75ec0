/** @file The model with a LoRA adapter that was trained beforehand: no prompt, one change for every task it is used on. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../base/errors.ts";
import { adapterRank } from "../lora/low-rank.ts";
import { peftFiles, readPeft } from "../lora/peft-format.ts";
import { applyAdapter } from "../models/apply-adapter.ts";
import { parameterShapes } from "../models/parameters.ts";
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
    const adapter = await readPeft(await findAdapter(folder), parameterShapes(model.config));
    const bytes = [...adapter.values()].reduce((sum, { a, b }) => sum + 4 * (a.length + b.length), 0);
    if (adapterRank(adapter) === 0) throw new AppError("E_MISMATCH", `${folder}: the adapter changes nothing`);
    const adapted = await applyAdapter(plain, adapter);
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
