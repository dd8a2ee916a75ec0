import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { shippedTokenizer } from "../../test/support/tiny-pair.ts";
import { labelsSpec, schemaSpec } from "../constraint/spec.ts";
import { SPECIAL_TOKEN_LAYOUT } from "../text/prompt.ts";
import { loadTokenizer, type Tokenizer } from "../text/tokenizer-file.ts";
import { seemsEnglish, specializeWarnings } from "./specialize-warnings.ts";

let pair: { tokenizer: Tokenizer; layout: typeof SPECIAL_TOKEN_LAYOUT };
beforeAll(async () => {
  pair = { tokenizer: await loadTokenizer(shippedTokenizer), layout: SPECIAL_TOKEN_LAYOUT };
});

test.each([
  "Ordne die Nachricht einer der Kategorien zu und antworte nur mit dem Namen der Kategorie.",
  "Classe le message dans une des catégories et réponds avec le nom de la catégorie.",
  "Clasifica el mensaje en una de las categorías y responde con el nombre.",
  "Classifica il messaggio e rispondi con il nome della categoria, non con altro, per favore di più.",
  "把信息分类，只回答类别的名称。",
  "Классифицируй сообщение и ответь только названием категории.",
  "メッセージを分類してください。",
])("%s: another language is noticed", (prompt) => {
  expect(seemsEnglish(prompt)).toBe(false);
});

test("English prompts are not taken for another language, whatever their labels", () => {
  const folder = resolve(import.meta.dirname, "../../test/fixtures/closed-sets");
  const read = (name: string) => JSON.parse(readFileSync(resolve(folder, name), "utf8")) as unknown[];
  const prompts = [
    ...read("open.json"),
    ...read("closed.json").map((entry) => (entry as { prompt: string }).prompt),
  ] as string[];
  expect(prompts.filter((prompt) => !seemsEnglish(prompt))).toEqual([]);
});

test("labels that begin alike are warned of, others not", () => {
  const warn = (...labels: string[]) => specializeWarnings(pair, "Name the topic of the text.", labelsSpec(labels));
  expect(warn("get_weather", "get_time")).toEqual([expect.stringMatching(/begin with the same token/)]);
  expect(warn("weather", "time")).toEqual([]);
  expect(specializeWarnings(pair, "Name the topic of the text.", schemaSpec({ type: "boolean" }))).toEqual([]);
});
