/** @file The short texts that rules and label sets are asked about: the same inputs under many prompts. */
import { readBanking } from "../sources/banking77.ts";
import { readClinc } from "../sources/clinc150.ts";
import { readSnips } from "../sources/snips.ts";
import { type Split, type Text, words } from "./behaviour.ts";
import { heldOutDomains } from "./held-out.ts";

const maxWords = 18;

/** Areas in words. */
const domainNames: Readonly<Record<string, string>> = {
  banking: "bank accounts",
  credit_cards: "credit cards",
  kitchen_and_dining: "food and restaurants",
  home: "music, lists and the household",
  auto_and_commute: "cars and traffic",
  travel: "travel",
  utility: "clocks, weather and small tools",
  work: "jobs and the office",
  small_talk: "small talk",
  meta: "settings of the assistant",
};

const snipsDomains: Readonly<Record<string, string>> = {
  AddToPlaylist: "playlists",
  BookRestaurant: "booking a restaurant",
  GetWeather: "the weather",
  PlayMusic: "playing music",
  RateBook: "rating books",
  SearchCreativeWork: "finding a work of art",
  SearchScreeningEvent: "cinema times",
};

export type TextPool = {
  readonly texts: readonly Text[];
  /** Texts of one area, by its name in words. */
  readonly byDomain: ReadonlyMap<string, readonly Text[]>;
  readonly byIntent: ReadonlyMap<string, readonly Text[]>;
};

/**
 * Texts of one split. Test texts come from the data sets' test rows, validation texts from their validation rows or from a fixed tenth of
 * the train rows. `held` takes the held-out domains alone; without it they are left out.
 */
export async function readTexts(data: string, split: Split, { held = false } = {}): Promise<TextPool> {
  const clinc = (await readClinc(data, split)).filter(({ domain }) => heldOutDomains.includes(domain) === held);
  const rows: Text[] = clinc.map(({ text, intent, domain }) => ({
    text,
    intent,
    source: "clinc",
    domain: domainNames[domain]!,
  }));
  if (!held) {
    const part = <T>(all: readonly T[]) =>
      split === "test" ? all : all.filter((_, i) => (i % 10 === 9) === (split === "validation"));
    const from = split === "test" ? "test" : "train";
    for (const { text, intent } of part(await readBanking(data, from)))
      rows.push({ text, intent, source: "banking", domain: "a bank's customer service" });
    for (const { text, intent } of part(await readSnips(data, from)))
      rows.push({ text, intent, source: "snips", domain: snipsDomains[intent]! });
  }
  const seen = new Set<string>();
  const texts = rows
    .map((row) => ({ ...row, text: row.text.replace(/\s+/g, " ").trim() }))
    .filter(({ text }) => {
      const count = words(text).length;
      const isNew = !seen.has(text.toLowerCase());
      seen.add(text.toLowerCase());
      return isNew && count >= 2 && count <= maxWords;
    });
  return {
    texts,
    byDomain: grouped(texts, ({ domain }) => domain),
    byIntent: grouped(texts, ({ source, intent }) => `${source} ${intent}`),
  };
}

function grouped(texts: readonly Text[], keyOf: (text: Text) => string): ReadonlyMap<string, readonly Text[]> {
  const groups = new Map<string, Text[]>();
  for (const text of texts) {
    const list = groups.get(keyOf(text));
    if (list === undefined) groups.set(keyOf(text), [text]);
    else list.push(text);
  }
  return groups;
}
