/** @file How much two sets of items have in common: F1, the harmonic mean of precision and recall. */
import { jsonOf } from "../../data/function-call.ts";
import type { Scorer } from "./scorer.ts";

/** The items of a JSON array, or what stands between commas, semicolons and line ends; case and white space around them do not matter. */
function itemsOf(text: string): Set<string> {
  const value = jsonOf(text);
  const items = Array.isArray(value)
    ? value.map((item) => (typeof item === "string" ? item : JSON.stringify(item)))
    : text.split(/[,;\n]/).map((item) => item.replace(/^\s*[-*•]\s+/, ""));
  return new Set(items.map((item) => item.trim().toLowerCase()).filter((item) => item !== ""));
}

export const setOverlap: Scorer = {
  summary: "F1 of the items in the answer and in the target (JSON array, commas or lines)",
  score({ answer, target }) {
    const [said, wanted] = [itemsOf(answer), itemsOf(target)];
    const common = [...said].filter((item) => wanted.has(item)).length;
    const score = said.size + wanted.size === 0 ? 1 : (2 * common) / (said.size + wanted.size);
    return { score, reason: `${common} in common, ${said.size} in the answer, ${wanted.size} in the target` };
  },
};
