/** @file `--labels`, `--schema`, `--no-constraint`, `--abstain`: what answers must be. */
import { stat } from "node:fs/promises";
import { Option } from "commander";
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { checkSchema, parseJson } from "../base/json.ts";
import { type ConstraintSpec, constraintLimits, labelsSpec, schemaSpec } from "../constraint/spec.ts";
import { plural } from "./format.ts";
import { decimal, readTextFile } from "./options.ts";

export type ConstraintFlags = {
  readonly labels?: string;
  readonly schema?: string;
  /** False with `--no-constraint`. */
  readonly constraint?: boolean;
};

/** `--labels`, `--schema`. */
export const formOptions = (): Option[] => [
  new Option(
    "--labels <list>",
    "answer with one of these: separated by commas, or a file with one a line or a JSON array of them",
  ).conflicts("schema"),
  new Option("--schema <file>", "answer with JSON of this JSON schema"),
];

/** The same and `--no-constraint`. `none` says what is then not kept. */
export const constraintOptions = (none: string): Option[] => [...formOptions(), new Option("--no-constraint", none)];

export const abstainOption = () =>
  new Option("--abstain <p>", 'answer "none" where a label\'s probability is lower').argParser(decimal(0, 1));

/**
 * What the flags demand; undefined where they demand nothing, false where they demand that nothing be.
 * @throws E_USAGE, E_CONFIG, E_LIMIT, E_FORMAT, E_NOT_FOUND
 */
export async function readConstraint(flags: ConstraintFlags): Promise<ConstraintSpec | false | undefined> {
  const { labels, schema, constraint = true } = flags;
  if (!constraint && (labels !== undefined || schema !== undefined))
    throw new AppError("E_USAGE", "expected one of --labels, --schema and --no-constraint, found two");
  if (schema !== undefined) {
    const text = await readTextFile(schema);
    return schemaSpec(parseJson(text, { what: schema, maxBytes: constraintLimits.schemaBytes, uniqueKeys: true }));
  }
  if (labels !== undefined) return labelsSpec(await readLabels(labels));
  return constraint ? undefined : false;
}

/** One line for people: how many labels, and the first of them. */
export function describeSpec(spec: ConstraintSpec): string {
  if (spec.kind === "schema") return "a JSON schema";
  const shown = spec.labels.slice(0, maxShown).map((label) => (/[,;]/.test(label) ? JSON.stringify(label) : label));
  return `${plural(spec.labels.length, "label")}: ${shown.join(", ")}${spec.labels.length > maxShown ? ", …" : ""}`;
}

const maxShown = 20;

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
