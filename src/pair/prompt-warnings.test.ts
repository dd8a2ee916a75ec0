import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { languageWarnings, seemsEnglish, unlikeWarnings } from "./prompt-warnings.ts";

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

test("each doubt is one warning, none where there is nothing to doubt", () => {
  expect(languageWarnings("Name the topic of the text.")).toEqual([]);
  expect(languageWarnings("把信息分类，只回答类别的名称。")).toEqual([expect.stringContaining("English")]);
  expect(unlikeWarnings({})).toEqual([]);
  expect(unlikeWarnings({ unlike: true })).toEqual([expect.stringContaining("unlike those")]);
});
