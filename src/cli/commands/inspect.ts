/** @file `loragen inspect`: explains what lies at a path. */

import { access } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { AppError } from "../../base/errors.ts";
import { isFolder } from "../../base/folder.ts";
import { isReference } from "../../server/store/names.ts";
import type { CliContext } from "../context.ts";
import { inspectPath } from "../inspect/inspect-path.ts";
import type { Inspection } from "../inspect/inspection.ts";
import { inspectName } from "../inspect/name.ts";
import { jsonOption, required } from "../options.ts";
import { type JsonFlag, printResult } from "../output.ts";
import { defaultPair } from "../paths.ts";
import { openStoreOf, storeOptions } from "./serve.ts";

const examples = `
A path that is there is explained as such; anything else, and with --store always, is a name of the store.
Knows pairs, models, generators, specialisations, training runs, PEFT adapters, safetensors and GGUF files.

Examples:
  $ loragen inspect                                 the pair that ships
  $ loragen inspect router                          a specialisation: its gates as a heat map
  $ loragen inspect triage@2                        a name of the store: its gates and its certificate
  $ loragen inspect pairs/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf --json`;

type Flags = JsonFlag & { readonly store?: string; readonly tenant: string };

export function addInspect(program: Command, context: CliContext): void {
  const command = program
    .command("inspect")
    .summary("explain a pair, a model, a specialisation, a run, an adapter or a file of weights")
    .description("Explains what lies at a path, or a name of the store: sizes, parameters, hashes, gates, certificate.")
    .argument("[path]", "a folder, a file, or NAME or NAME@VERSION; the pair that ships, where none is given")
    .addHelpText("after", examples)
    .action(async (path: string | undefined, flags: Flags) => {
      const { json, lines } = await inspected(context, path, flags);
      printResult(context, flags, json, () => lines(context.colors).join("\n"));
    });
  for (const option of [...storeOptions(), jsonOption()]) command.addOption(option);
}

async function inspected(
  context: CliContext,
  path: string | undefined,
  { store: where, tenant }: Flags,
): Promise<Inspection> {
  if (where !== undefined) {
    const name = required(path, "inspect --store", "NAME");
    return inspectName(await openStoreOf(context, where), tenant, name);
  }
  if (path === undefined) return inspectPath(defaultPair());
  if (!isReference(path) || (await isThere(path))) return inspectPath(path);
  const hasStore = await isFolder(join(context.store, "models"));
  if (!hasStore) return inspectPath(path);
  const store = await openStoreOf(context, undefined);
  return inspectName(store, tenant, path).catch((error: unknown) => {
    if (!(error instanceof AppError) || error.code !== "E_NOT_FOUND") throw error;
    throw new AppError("E_NOT_FOUND", `${path}: not found, neither a path nor a name of the store`);
  });
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
