/** @file The pretraining text: books, textbooks and stories, and short prose, mixed in a fixed order. */
import { join } from "node:path";
import { z } from "zod";
import type { Rng } from "../../src/base/rng.ts";
import { readRows } from "../sources/rows.ts";

const Row = z.object({ text: z.string(), source: z.string().optional() });

/** Prose from data sets whose rows the assistant tasks are tested on: left out, so that test inputs stay unread. */
export const TESTED_SOURCES: readonly string[] = [
  "air_dialogue",
  "amazon_fine_food_reviews",
  "copa",
  "go_emotions",
  "limit",
  "open_pi",
  "schema_guided_dstc8",
];

export const PRETRAIN_SETS = ["pretrain_books", "pretrain_misc", "pretrain_ni_text"] as const;
export type PretrainSet = (typeof PRETRAIN_SETS)[number];

export type PretrainTextOptions = {
  split?: "train" | "test";
  /** Share of the characters taken from each set; a set that runs out is left out from there on. */
  shares?: Readonly<Record<PretrainSet, number>>;
  /** Long documents are cut into pieces of about this many characters at paragraph ends. */
  pieceCharacters?: number;
};

/**
 * Documents of all sets in random order, each set taking its share of the characters, until every set is used up once.
 * One-line prose is joined to pieces of several lines.
 */
export async function* pretrainText(
  data: string,
  rng: Rng,
  {
    split = "train",
    shares = { pretrain_books: 0.45, pretrain_misc: 0.25, pretrain_ni_text: 0.3 },
    pieceCharacters = 4000,
  }: PretrainTextOptions = {},
): AsyncGenerator<string> {
  const queues: { share: number; pieces: string[]; next: number; taken: number }[] = [];
  for (const set of PRETRAIN_SETS) {
    if (shares[set] <= 0) continue;
    const rows = await readRows(join(data, set, `${split}.jsonl.gz`), Row);
    const readable = rows.filter(({ source }) => source === undefined || !TESTED_SOURCES.includes(source));
    const texts = rng.shuffle(readable.map((row) => row.text));
    const pieces = rng.shuffle(
      set === "pretrain_ni_text" ? joinLines(texts) : texts.flatMap((text) => cut(text, pieceCharacters)),
    );
    queues.push({ share: shares[set], pieces, next: 0, taken: 0 });
  }
  for (;;) {
    const open = queues.filter((queue) => queue.next < queue.pieces.length);
    if (open.length === 0) return;
    const queue = open.reduce((least, other) =>
      other.taken / other.share < least.taken / least.share ? other : least,
    );
    const piece = queue.pieces[queue.next++]!;
    queue.taken += piece.length;
    yield piece;
  }
}

/** Cuts a long text at paragraph ends into pieces of about `size` characters. */
export function cut(text: string, size: number): string[] {
  const pieces: string[] = [];
  let piece = "";
  for (const paragraph of text.split(/\n+/)) {
    if (piece.length + paragraph.length > size && piece !== "") {
      pieces.push(piece);
      piece = "";
    }
    piece += piece === "" ? paragraph : `\n${paragraph}`;
  }
  if (piece !== "") pieces.push(piece);
  return pieces;
}

function joinLines(texts: readonly string[]): string[] {
  const joined: string[] = [];
  for (let i = 0; i < texts.length; i += 4) joined.push(texts.slice(i, i + 4).join("\n"));
  return joined;
}
