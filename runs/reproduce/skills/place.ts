/** @file Where the pages of Transformer² keep what they make: families, a pair to decompose beside, trainings, pools, searches. */
import { existsSync } from "node:fs";
import { mkdir, readdir, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { readJsonFile } from "../../../src/base/json-file.ts";
import { PairFile, pairFileName } from "../../../src/pair/pair.ts";
import { type Families, openFamilies } from "../../transformer2/families.ts";
import type { TrainingPlace } from "../../transformer2/trainings.ts";
import type { Context } from "../row.ts";
import { pairOf } from "../shipped-pair.ts";

export type Place = {
  readonly families: Families;
  /** Of families. */
  readonly data: string;
  /** Links to all files of the pair, so that its decomposition lies here and not beside it. */
  readonly pair: string;
  readonly model: Pick<TrainingPlace, "edge" | "tokenizer" | "layout">;
  readonly runs: string;
  readonly pools: string;
  readonly searches: string;
};

/** Throws E_DATA where data is missing, or where a model alone was named: how questions are laid out is said by the pair. */
export async function openPlace(context: Context): Promise<Place> {
  const at = (name: string) => join(context.work, "transformer2", name);
  const pair = await linked(pairOf("transformer2", context), at("pair"));
  const file = await readJsonFile(join(pair, pairFileName), PairFile);
  const tokenizer = join(pair, file.tokenizer ?? "tokenizer");
  return {
    families: await openFamilies(context.data, at("data")),
    data: at("data"),
    pair,
    model: {
      edge: join(pair, file.edge),
      ...(existsSync(tokenizer) ? { tokenizer } : {}),
      layout: file.layout,
    },
    runs: at("runs"),
    pools: at("pools"),
    searches: at("searches"),
  };
}

async function linked(pair: string, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(pair)) {
    const link = join(folder, name);
    if (!name.startsWith(".") && !existsSync(link)) await symlink(resolve(pair, name), link);
  }
  return folder;
}
