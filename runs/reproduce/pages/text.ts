/** @file Pages that are written, not computed: a text with the values that the program knows. */
import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { version } from "../../../src/base/version.ts";
import { countRows } from "../data-counts.ts";
import { words } from "../markdown.ts";
import { paperTasks, table11 } from "../paper.ts";
import type { Context, Page } from "../row.ts";

/** `{{name}}` becomes its value. */
function filled(id: string, values: Readonly<Record<string, string>> = {}): Page {
  const text = readFileSync(join(import.meta.dirname, "../text", `${id}.md`), "utf8").trim();
  return { text: text.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => values[name]!) };
}

/** A text without values. */
export const written = (id: string) => async (): Promise<Page> => filled(id);

function packageVersion(name: string): string {
  const path = join(import.meta.dirname, "../../../node_modules", name, "package.json");
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}

export const s1SheetPage = async (): Promise<Page> =>
  filled("s1-sheet", {
    machine: `${cpus().length} cores of an ${cpus()[0]!.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB`,
    node: process.version.slice(1),
    onnxruntime: packageVersion("onnxruntime-node"),
    loragen: version,
  });

export async function termsPage({ data }: Context): Promise<Page> {
  const counts = await countRows(data);
  const sizes = words(
    ["task", "train: paper", "here", "test: paper", "here"],
    counts.map(({ train, test }, i) => [
      paperTasks[i]!,
      String(table11.train[i]),
      train === undefined ? "never read" : String(train),
      String(table11.test[i]),
      String(test),
    ]),
  );
  return filled("rv-10", { sizes });
}
