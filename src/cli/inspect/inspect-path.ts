/** @file What lies at a path, recognised by its files. */
import { access, stat } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../../base/errors.ts";
import { specializationFileName } from "../../generator/specialization.ts";
import { refuseGguf } from "../options.ts";
import { inspectGenerator } from "./generator.ts";
import type { Inspection } from "./inspection.ts";
import { inspectModel } from "./model.ts";
import { inspectPair } from "./pair.ts";
import { inspectRun } from "./run.ts";
import { inspectSafetensors } from "./safetensors.ts";
import { inspectSpecialization } from "./specialization.ts";

type Kind = { readonly what: string; readonly inspect: (path: string) => Promise<Inspection> };

/** A folder is what the first of these files says. */
const folders: readonly (Kind & { readonly marker: string })[] = [
  { marker: "pair.json", what: "a pair", inspect: inspectPair },
  { marker: "generator.json", what: "a generator", inspect: inspectGenerator },
  { marker: specializationFileName, what: "a specialisation", inspect: inspectSpecialization },
  { marker: "config.json", what: "a model", inspect: inspectModel },
  { marker: "log.jsonl", what: "a training run", inspect: inspectRun },
];

const files: readonly (Kind & { readonly ending: string })[] = [
  { ending: ".safetensors", what: "tensors", inspect: inspectSafetensors },
  { ending: ".json", what: "a specialisation", inspect: inspectSpecialization },
];

/** Explains a path. Throws E_NOT_FOUND, E_USAGE for a GGUF file, E_FORMAT naming what it could have been, and whatever reading it throws. */
export async function inspectPath(path: string): Promise<Inspection> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new AppError("E_NOT_FOUND", `${path}: not found`);
  if (!found.isDirectory()) {
    refuseGguf(path, "inspect");
    const kind = files.find(({ ending }) => path.endsWith(ending));
    if (kind !== undefined) return kind.inspect(path);
    const known = files.map(({ ending, what }) => `${ending} (${what})`);
    throw new AppError("E_FORMAT", `${path}: expected a file that ends in ${known.join(" or ")}`);
  }
  for (const { marker, inspect } of folders) if (await exists(join(path, marker))) return inspect(path);
  const known = folders.map(({ marker, what }) => `${marker} (${what})`);
  throw new AppError("E_FORMAT", `${path}: expected a folder with ${known.join(", ")}`);
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
