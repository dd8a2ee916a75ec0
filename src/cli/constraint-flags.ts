/** @file `--labels`, `--schema`, `--calls`, `--no-constraint`, `--abstain`: what answers must be. */
import { stat } from "node:fs/promises";
import { Option } from "commander";
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { checkSchema, parseJson } from "../base/json.ts";
import { parseSignature } from "../constraint/calls.ts";
import { type ConstraintSpec, callsSpec, constraintLimits, labelsSpec, schemaSpec } from "../constraint/spec.ts";
import { plural } from "./format.ts";
import { decimal, readTextFile } from "./options.ts";

export type ConstraintFlags = {
  readonly labels?: string;
  readonly schema?: string;
  readonly calls?: string;
  /** False with `--no-constraint`. */
  readonly constraint?: boolean;
};

/** `--labels`, `--schema`, `--calls`. */
export const formOptions = (): Option[] => [
  new Option(
    "--labels <list>",
    "answer with one of these: separated by commas, or a file with one a line or a JSON array of them",
  ).conflicts(["schema", "calls"]),
  new Option("--schema <file>", "answer with JSON of this JSON schema").conflicts("calls"),
  new Option(
    "--calls <list>",
    'answer with a call of one of these functions, as in "water(bed, minutes); open(side)", or a file with one a line',
  ),
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
  const { labels, schema, calls, constraint = true } = flags;
  if (!constraint && [labels, schema, calls].some((given) => given !== undefined))
    throw new AppError("E_USAGE", "expected one of --labels, --schema, --calls and --no-constraint, found two");
  if (calls !== undefined) return callsSpec(await readSignatures(calls));
  if (schema !== undefined) {
    const text = await readTextFile(schema);
    return schemaSpec(parseJson(text, { what: schema, maxBytes: constraintLimits.schemaBytes, uniqueKeys: true }));
  }
  if (labels !== undefined) return readLabels(labels);
  return constraint ? undefined : false;
}

/** One line for people: how many labels, and the first of them. */
export function describeSpec(spec: ConstraintSpec): string {
  if (spec.kind === "schema") return "a JSON schema";
  if (spec.kind === "calls")
    return `${plural(spec.functions.length, "function")}: ${spec.functions
      .slice(0, maxShown)
      .map(({ name }) => name)
      .join(", ")}${spec.functions.length > maxShown ? ", …" : ""}`;
  const shown = spec.labels.slice(0, maxShown).map((label) => (/[,;]/.test(label) ? JSON.stringify(label) : label));
  return `${plural(spec.labels.length, "label")}: ${shown.join(", ")}${spec.labels.length > maxShown ? ", …" : ""}`;
}

const maxShown = 20;

/** Of a file, where there is one of that name, else of the flag itself. */
async function readSignatures(given: string) {
  const isFile = await stat(given).then(
    (found) => found.isFile(),
    () => false,
  );
  const text = isFile ? await readTextFile(given) : given;
  const listed = text.split(/[;\n]/u).filter((part) => part.trim() !== "");
  return listed.map((part) => {
    const parsed = parseSignature(part);
    if (parsed === undefined)
      throw new AppError(
        "E_USAGE",
        `--calls: expected functions as name(parameter, parameter), found ${JSON.stringify(part.trim().slice(0, 100))}`,
      );
    return parsed;
  });
}

/** Of a file, where there is one of that name, else of the flag itself. */
async function readLabels(given: string): Promise<ConstraintSpec> {
  const isFile = await stat(given).then(
    (found) => found.isFile(),
    () => false,
  );
  if (!isFile) {
    if (given.trimStart().startsWith("[")) return labelsSpec(parseLabels(given, "--labels"));
    if (given.includes(",")) return labelsSpec(given.split(","));
    throw new AppError(
      "E_USAGE",
      `--labels: expected labels separated by commas, or a file with them, found neither in ${JSON.stringify(given)}`,
    );
  }
  const text = await readTextFile(given);
  const isArray = text.trimStart().startsWith("[");
  const listed = isArray ? parseLabels(text, given) : text.replace(/(\r?\n)+$/, "").split(/\r?\n/);
  const empty = isArray ? -1 : listed.findIndex((line) => line.trim() === "");
  if (empty >= 0)
    throw new AppError("E_USAGE", `${given}: line ${empty + 1}: expected a label in every line, found an empty one`);
  try {
    return labelsSpec(listed);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new AppError(error.code, `${given}: ${error.message}`, { cause: error });
  }
}

const parseLabels = (text: string, what: string): string[] =>
  checkSchema(parseJson(text, { what, maxBytes: 2 * constraintLimits.labelBytes }), z.array(z.string()), { what });
