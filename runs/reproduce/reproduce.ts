/** @file What `reproduce -- ID` does: writes a page, runs a test, or says why neither. */
import { existsSync, readdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { writeFileAtomic } from "../../src/base/atomic-file.ts";
import { words, wrapped } from "./markdown.ts";
import type { Context, Row } from "./row.ts";
import { shippedPair } from "./shipped-pair.ts";
import { IDS, type Id, parseId, resolved, rows } from "./table.ts";

/** Where pages are written. */
export const resultsFolder = "docs/results";

export type Outcome =
  | { readonly kind: "page"; readonly path: string }
  | { readonly kind: "test"; readonly files: readonly string[]; readonly titled?: string | undefined }
  | { readonly kind: "out"; readonly because: string };

/**
 * Makes what an id stands for. Pages and pictures are written whole or not at all; what they asked lies in logs, from which they go on.
 * @throws as its page
 */
export async function reproduce(id: Id, context: Context, folder: string): Promise<Outcome> {
  const { id: own, row } = resolved(id);
  if (row.kind === "out") return { kind: "out", because: row.because };
  if (row.kind === "test") return { kind: "test", files: row.files, titled: row.titled };
  const { text, pictures = {} } = await row.make(context);
  await mkdir(folder, { recursive: true });
  for (const [name, svg] of Object.entries(pictures)) await writeFileAtomic(join(folder, name), svg);
  const path = join(folder, `${own}.md`);
  await writeFileAtomic(path, pageOf(own, row, text, context));
  return { kind: "page", path };
}

function pageOf(id: Id, { kind, shows, source }: Row, text: string, context: Context): string {
  const { budget, model, pair, train, noTraining = false, methods, runCode } = context;
  const flags = [
    `--budget ${budget}`,
    ...(kind === "trains" && train !== undefined ? ["--train FILE"] : []),
    ...(noTraining ? ["--no-training"] : []),
    ...(runCode === undefined ? [] : ["--allow-code PYTHON"]),
    ...(pair === shippedPair ? [] : [pair === undefined ? "--model FILE" : "--pair FOLDER"]),
    ...(methods.length === 0 ? [] : [`--methods ${methods.join(",")}`]),
  ];
  const head = `Source: ${source}. Made by \`npm run reproduce -- ${id} ${flags.join(" ")}\`, edge model: ${kind === "trains" ? "that of the run" : pair === undefined || pair === shippedPair ? basename(model) : "the pair's"}.`;
  return wrapped(`# ${id}: ${shows}\n\n${head}\n\n${text}\n`);
}

const inPart = (lacks: string | undefined): string => (lacks === undefined ? "" : `, in part: ${lacks}`);

function lackOf(id: string): string | undefined {
  const { row } = resolved(parseId(id));
  return row.kind === "page" ? row.lacks : undefined;
}

type RowOf<Kind> = Extract<Row, { kind: Kind }>;

/** What each kind of row does now, as a cell of the index, and what `--list` says of it. */
const states: {
  readonly [K in Row["kind"]]: { cell(row: RowOf<K>, id: Id, hasPage: boolean): string; takes(row: RowOf<K>): string };
} = {
  page: {
    cell: ({ takes, lacks }, id, hasPage) =>
      hasPage ? `[page](${id}.md)${inPart(lacks)}` : `not run yet: ${takes}${inPart(lacks)}`,
    takes: ({ takes, lacks }) => takes + inPart(lacks),
  },
  test: {
    cell: ({ files }) => `test: ${files.map((file) => `\`${file}\``).join(", ")}`,
    takes: () => "a test",
  },
  trains: {
    cell: ({ needs }, id, hasPage) => (hasPage ? `[page](${id}.md)` : `not run yet: trains ${needs}`),
    takes: ({ needs, takes }) => `trains ${needs}; ${takes}`,
  },
  out: { cell: ({ because }) => `out, because ${because}`, takes: () => "out" },
  alias: {
    cell: ({ of }) => `see \`${of}\`${inPart(lackOf(of))}`,
    takes: ({ of }) => `see ${of}${inPart(lackOf(of))}`,
  },
};

const stateOf = (row: Row) => states[row.kind] as (typeof states)["page"];

/** The index of all items, beside the pages that are there. */
export function indexPage(folder: string): string {
  const pages = new Set(existsSync(folder) ? readdirSync(folder) : []);
  const lines = IDS.map((id) => {
    const row = rows[id];
    return [`\`${id}\``, row.shows, row.source, stateOf(row).cell(row as RowOf<"page">, id, pages.has(`${id}.md`))];
  });
  return [
    "# Results",
    "",
    "Every table, figure and demand of the documents, and what `npm run reproduce -- ID` does for it today. Edge model, where",
    "nothing else is said: SmolLM2-135M-Instruct (GGUF, Q4_1); LoRA-Gen's rows are of the pair that ships over it,",
    "`pairs/smollm2`, from one training seed. Logs lie in `work/reproduce` and hold rows of the data sets, so they are not",
    "committed. Where a row trains, that comes first, from `runs/reasoning` and `runs/transformer2`; `--no-training` leaves",
    "such rows out. Ablations are generators of one run with other keys and equal steps (`--train FILE` names another run).",
    "What was stopped goes on with the same command.",
    "",
    words(["id", "what it shows", "source", "state"], lines),
    "",
  ].join("\n");
}

/** A line of `--list`: id, what, where from, how long and on what. */
export function listLine(id: Id): string {
  const row = rows[id];
  return `${id.padEnd(22)} ${row.shows} [${row.source}; ${stateOf(row).takes(row as RowOf<"page">)}]`;
}
