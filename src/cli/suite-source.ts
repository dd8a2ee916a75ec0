/** @file What `--suite` names: files of tasks, suites in the folders of the pair and of this package, published tasks. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../base/errors.ts";
import type { EvalTask } from "../data/eval-task.ts";
import { benchmarkTasks, suites } from "../eval/tasks/suites.ts";
import { packageRoot } from "./paths.ts";

export type SuiteOptions = {
  readonly pair: string;
  /** Folder of data sets, for published tasks. */
  readonly data?: string | undefined;
  /** Items of each published task; without it as many as it says. */
  readonly items?: number | undefined;
  readonly seeds?: readonly number[] | undefined;
};

/** A file comes before a published task of its name. Throws E_NOT_FOUND; E_USAGE where a published task has no data; as `benchmarkTasks`. */
export async function openSuites(
  names: readonly string[],
  { pair, data, items, seeds }: SuiteOptions,
): Promise<{ readonly taskFiles: string[]; readonly tasks: EvalTask[] }> {
  const found = await Promise.all(names.map(async (name) => ({ name, file: await findFile(name, pair) })));
  const published = found.filter(({ file }) => file === undefined).flatMap(({ name }) => suites.get(name)!);
  if (published.length > 0 && data === undefined)
    throw new AppError(
      "E_USAGE",
      `suite ${published[0]!.benchmark}: expected --data FOLDER with its rows, found it left out (docs/tasks.md says where rows may be had)`,
    );
  const options = { data: data!, ...(items === undefined ? {} : { items }), ...(seeds === undefined ? {} : { seeds }) };
  return {
    taskFiles: found.flatMap(({ file }) => file ?? []),
    tasks: published.length === 0 ? [] : await benchmarkTasks([...new Set(published)], options),
  };
}

const endings = [".jsonl", ".jsonl.gz", ".json"];

/** undefined for a published task. */
async function findFile(name: string, pair: string): Promise<string | undefined> {
  if (/[/\\.]/.test(name) || (await isFile(name))) return name;
  const places = [join(pair, "suites"), join(packageRoot(), "suites")];
  for (const place of places)
    for (const ending of endings) {
      const path = join(place, name + ending);
      if (await isFile(path)) return path;
    }
  if (suites.has(name)) return undefined;
  throw new AppError(
    "E_NOT_FOUND",
    `suite ${name}: expected a file, ${name}.jsonl in ${places.join(" or ")}, or one of ${[...suites.keys()].join(", ")}`,
  );
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
