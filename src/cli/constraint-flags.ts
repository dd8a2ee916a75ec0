/** @file `--labels`, `--schema`, `--abstain`: what answers must be. */
import { stat } from "node:fs/promises";
import { Option } from "commander";
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { checkSchema, parseJson } from "../base/json.ts";
import { type ConstraintSpec, constraintLimits, labelsSpec, schemaSpec } from "../constraint/spec.ts";
import { decimal, readTextFile } from "./options.ts";

export type ConstraintFlags = { readonly labels?: string; readonly schema?: string };

/** `--labels`, `--schema`. */
export const constraintOptions = (): Option[] => [
  new Option(
    "--labels <list>",
    "answer with one of these: separated by commas, or a file with one a line or a JSON array of them",
  ).conflicts("schema"),
  new Option("--schema <file>", "answer with JSON of this JSON schema"),
];

export const abstainOption = () =>
  new Option("--abstain <p>", 'answer "none" where a label\'s probability is lower').argParser(decimal(0, 1));

/** What the flags demand; undefined where they demand nothing. Throws E_USAGE, E_CONFIG, E_LIMIT, E_FORMAT, E_NOT_FOUND. */
export async function readConstraint({ labels, schema }: ConstraintFlags): Promise<ConstraintSpec | undefined> {
  if (schema !== undefined) {
    const text = await readTextFile(schema);
    return schemaSpec(parseJson(text, { what: schema, maxBytes: constraintLimits.schemaBytes, uniqueKeys: true }));
  }
  return labels === undefined ? undefined : labelsSpec(await readLabels(labels));
}

/** Of a file, where there is one of that name, else of the flag itself. */
async function readLabels(given: string): Promise<string[]> {
  const isFile = await stat(given).then(
    (found) => found.isFile(),
    () => false,
  );
  if (!isFile) {
    if (given.trimStart().startsWith("[")) return parseLabels(given, "--labels");
    if (given.includes(",")) return given.split(",");
    throw new AppError(
      "E_USAGE",
      `--labels: expected labels separated by commas, or a file with them, found neither in ${JSON.stringify(given)}`,
    );
  }
  const text = await readTextFile(given);
  if (text.trimStart().startsWith("[")) return parseLabels(text, given);
  return text.replace(/(\r?\n)+$/, "").split(/\r?\n/);
}

const parseLabels = (text: string, what: string): string[] =>
  checkSchema(parseJson(text, { what, maxBytes: 2 * constraintLimits.labelBytes }), z.array(z.string()), { what });
