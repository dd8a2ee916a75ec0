/** @file Where a PEFT adapter lies: in the folder that is named, or in a part of a training run's output. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../base/errors.ts";
import { peftFiles } from "./peft-config.ts";

const places = [".", "best", "adapter", "model"];

/** Throws E_NOT_FOUND naming where it was looked for. */
export async function findPeft(folder: string): Promise<string> {
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
