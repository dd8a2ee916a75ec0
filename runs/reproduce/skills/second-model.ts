/** @file A second model of the same shape: the pair's edge model, fine-tuned by a LoRA that is merged into it. */
import { existsSync } from "node:fs";
import { readdir, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { readJsonFile } from "../../../src/base/json-file.ts";
import { withNewFolder } from "../../../src/export/new-folder.ts";
import { findPeft } from "../../../src/lora/find-peft.ts";
import { readPeftChange } from "../../../src/lora/peft-change.ts";
import { openModel, saveModel } from "../../../src/models/model-file.ts";
import { parameterShapes } from "../../../src/models/parameters.ts";
import { applyPeftChange, peftBaseOf } from "../../../src/models/peft-base.ts";
import { PairFile, pairFileName } from "../../../src/pair/pair.ts";
import { writePairFile } from "../../../src/pair/pair-file.ts";
import { readWeight } from "../../../src/runtime/read-weight.ts";
import type { Place } from "./place.ts";
import type { Trained } from "./trained.ts";

const second = "second";

/** A pair like the first but for its edge model, `PAIR/second`. Made once. */
export async function secondPair(place: Place, { folder: run, name }: Trained): Promise<string> {
  const pair = join(place.pools, "..", `pair-${name}`);
  if (existsSync(pair)) return pair;
  await withNewFolder(pair, async (part) => {
    const model = await openModel(place.model.edge);
    const change = await readPeftChange(await findPeft(run), peftBaseOf(model));
    const { weights } = await applyPeftChange(model, change);
    const values = new Map<string, Float32Array>();
    for (const weight of parameterShapes(model.config).keys()) values.set(weight, await readWeight(weights[weight]!));
    await saveModel(join(part, second), model.config, values);
    for (const file of await readdir(place.pair))
      if (file !== pairFileName && !file.startsWith(".")) await symlink(resolve(place.pair, file), join(part, file));
    const { format: _, ...file } = await readJsonFile(join(place.pair, pairFileName), PairFile);
    const hasTokenizer = file.tokenizer !== undefined || existsSync(join(place.pair, "tokenizer"));
    await writePairFile(part, { ...file, edge: second, ...(hasTokenizer ? {} : { tokenizer: file.edge }) });
  });
  return pair;
}

export const secondModel = (pair: string): string => join(pair, second);
