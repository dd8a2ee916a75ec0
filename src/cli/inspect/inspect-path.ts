/** @file What lies at a path, recognised by its files. */
import { access, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { AppError } from "../../base/errors.ts";
import { readJsonFile } from "../../base/json-file.ts";
import { openSafetensors } from "../../files/safetensors.ts";
import { peftFiles } from "../../lora/peft-config.ts";
import { specializationFileName } from "../../pair/specialization-file.ts";
import { expertFileName, expertFormat } from "../../svf/expert-file.ts";
import { TrainConfig } from "../../train/recipes/table.ts";
import { inspectExpert } from "./expert.ts";
import { inspectGenerator } from "./generator.ts";
import { inspectGguf } from "./gguf.ts";
import type { Inspection } from "./inspection.ts";
import { inspectModel } from "./model.ts";
import { inspectPair } from "./pair.ts";
import { inspectPeft } from "./peft.ts";
import { inspectBegunRun, inspectRun } from "./run.ts";
import { inspectSafetensors } from "./safetensors.ts";
import { inspectSpecialization } from "./specialization.ts";

type Kind = { readonly what: string; readonly inspect: (path: string) => Promise<Inspection> };

/** A folder is what the first of these files says: a run keeps its own config.json, which is no model's. */
const folders: readonly (Kind & { readonly marker: string })[] = [
  { marker: "pair.json", what: "a pair", inspect: inspectPair },
  { marker: "generator.json", what: "a generator", inspect: inspectGenerator },
  { marker: specializationFileName, what: "a specialisation", inspect: inspectSpecialization },
  { marker: "log.jsonl", what: "a training run", inspect: inspectRun },
  { marker: expertFileName, what: "a skill of Transformer²", inspect: inspectExpert },
  { marker: peftFiles.config, what: "a PEFT adapter", inspect: inspectPeft },
  { marker: "config.json", what: "a model", inspect: inspectConfigured },
];

const files: readonly (Kind & { readonly ending: string })[] = [
  { ending: ".safetensors", what: "tensors, or a skill", inspect: inspectTensors },
  { ending: ".gguf", what: "a model or an adapter of llama.cpp", inspect: inspectGguf },
  { ending: ".json", what: "a specialisation", inspect: inspectJson },
];

/** Explains a path. Throws E_NOT_FOUND, E_FORMAT naming what it could have been, and whatever reading it throws. */
export async function inspectPath(path: string): Promise<Inspection> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new AppError("E_NOT_FOUND", `${path}: not found`);
  if (!found.isDirectory()) {
    const kind = files.find(({ ending }) => path.endsWith(ending));
    if (kind !== undefined) return kind.inspect(path);
    const known = files.map(({ ending, what }) => `${ending} (${what})`);
    throw new AppError("E_FORMAT", `${path}: expected a file that ends in ${known.join(", ")}`);
  }
  for (const { marker, inspect } of folders) if (await exists(join(path, marker))) return inspect(path);
  const known = folders.map(({ marker, what }) => `${marker} (${what})`);
  throw new AppError("E_FORMAT", `${path}: expected a folder with ${known.join(", ")}`);
}

/** An expert says what it is in the metadata. */
async function inspectTensors(path: string): Promise<Inspection> {
  const { metadata } = await openSafetensors(path);
  return metadata["format"] === expertFormat ? inspectExpert(path) : inspectSafetensors(path);
}

const MaybeFormat = z.looseObject({ format: z.unknown() }).catch({ format: undefined });

/** A specialisation is a file of its own; what other JSON files say, their folder's explanation has. */
async function inspectJson(path: string): Promise<Inspection> {
  const { format } = await readJsonFile(path, MaybeFormat);
  if (typeof format === "string" && format.startsWith("lora-gen specialization")) return inspectSpecialization(path);
  throw new AppError(
    "E_FORMAT",
    `${path}: is no specialisation (its "format" does not say so); for any other file inspect the folder it lies in: ${dirname(path)}`,
  );
}

const MaybeRun = z.looseObject({ kind: z.unknown() }).catch({ kind: undefined });

/** A run that ended before its first line of log has a config.json alone, which says which kind of run it is. */
async function inspectConfigured(directory: string): Promise<Inspection> {
  const { kind } = await readJsonFile(join(directory, "config.json"), MaybeRun);
  const isRun = TrainConfig.options.some(({ shape }) => shape.kind.value === kind);
  return isRun ? inspectBegunRun(directory) : inspectModel(directory);
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
