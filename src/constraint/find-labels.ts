/**
 * @file The closed list of labels that a prompt states, one of which is the whole answer.
 *
 * Labels are found only where (1) a cue says that the answer is one of what follows, always and for the whole input, (2) what follows is a list
 * and nothing else, (3) no word and no order of the rest asks for more than the label, (4) all cues agree, and (5) so do the outputs of examples.
 */
import type { JsonValue } from "../base/json.ts";
import type { FoundList, List } from "./find-list.ts";
import { codesByMeaning, labelsByCase, labelsUpToOtherwise } from "./label-cases.ts";
import { listsBehindCues } from "./label-cues.ts";
import { asksForMore } from "./orders.ts";
import { type FoundConstraint, labelsSpec } from "./spec.ts";

/** How much of a prompt `because` shows. */
const maxShown = 60;

/** What is answered where nothing fits: one more label. */
const fallback =
  /\b(?:otherwise|if (?:none|nothing|no|unsure|you are (?:not sure|unsure))\b[^.,\n]{0,40}),? (?:please )?(?:answer|say|reply|respond|output|return|use|write)(?: with)?:? (?:"([^"\n]{1,40})"|'([^'\n]{1,40})'|`([^`\n]{1,40})`|([\p{L}\d_-]{1,40})(?=[.\n]|$))/iu;
const anyFallback = /\b(?:otherwise|if (?:none|nothing fits|you are (?:not sure|unsure)))\b/iu;

/** `{"intent": NAME}`: a form with one place for the label. */
const form = /\{\s*"([^"\n]{1,40})"\s*:\s*(?:<[^<>\n]{0,40}>|[A-Z][A-Z_ ]{0,40}|"[^"\n]{0,60}"|\.\.\.|…)\s*\}/u;

export function findLabels(prompt: string): FoundConstraint | undefined {
  const { instructions, examples, outputs } = withoutExamples(withoutMarkdown(prompt));
  const behindCues = listsBehindCues(instructions);
  if (behindCues === undefined) return undefined;
  const all = [
    ...behindCues,
    ...labelsByCase(instructions),
    ...labelsUpToOtherwise(instructions),
    ...codesByMeaning(instructions),
  ];
  const ordered = all.filter(({ describes }) => describes === undefined);
  const found = ordered.length > 0 ? ordered : all; // "decide whether it is good or bad: answer yes or no"
  const [first] = found;
  if (first === undefined) return undefined;
  if (found.some((other) => key(other) !== key(first))) return undefined;
  const [front, behind] = around(instructions, found);
  const last = fallback.exec(`${front} … ${behind}`);
  const [frontRest, behindRest] = [front, behind].map((text) => text.replace(fallback, " ")) as [string, string];
  const rest = `${frontRest} … ${behindRest}`;
  if (last === null && anyFallback.test(rest)) return undefined;
  const other = last?.slice(1).find((text) => text !== undefined);
  const labels = other === undefined || first.items.includes(other) ? first.items : [...first.items, other];
  const asked = { front: frontRest, behind: behindRest.replace(form, " ") };
  if (ordered.length === 0 && mayNameLabels(`${asked.front} ${asked.behind}`)) return undefined;
  if (asksForMore(asked, found, labels)) return undefined;
  const because = shortened(first.cue);
  if (/\bjson\b|[{}]/iu.test([rest, ...examples].join("\n"))) {
    const key = form.exec(prompt)?.[1];
    return key === undefined || outputs.length > 0
      ? undefined
      : { spec: { kind: "schema", schema: keyedLabels(key, labels) }, because };
  }
  if (outputs.some((output) => !labels.includes(output))) return undefined;
  return { spec: labelsSpec(labels), because };
}

const key = ({ items }: List): string =>
  items
    .map((item) => item.toLowerCase())
    .sort()
    .join("\n");

/** Without bold letters, and headings with a colon as others write them. */
const withoutMarkdown = (prompt: string): string =>
  prompt
    .replaceAll("**", "")
    .split("\n")
    .map((line) =>
      /^#{1,6} /u.test(line)
        ? `${line
            .trimEnd()
            .replace(/^#{1,6} +/u, "")
            .replace(/:$/u, "")}:`
        : line,
    )
    .join("\n");

/** What is asked without the lines of examples: "Input: …", "Output: …". */
function withoutExamples(prompt: string): { instructions: string; examples: string[]; outputs: string[] } {
  const [instructions, examples, outputs]: [string[], string[], string[]] = [[], [], []];
  for (const [i, line] of prompt.split("\n").entries()) {
    const output = examples.length === 0 ? null : /^(?:Output|Answer|Label)[ \t]*:(.*)$/u.exec(line);
    const isInput = i > 0 && /^(?:Input|Example|Text|Question)\b[^\n]{0,20}:/u.test(line);
    (output !== null || isInput ? examples : instructions).push(line);
    const said = output?.[1]?.trim() ?? "";
    if (said !== "") outputs.push(said);
  }
  return { instructions: instructions.join("\n"), examples, outputs };
}

/** The text in front of the last list and behind it, a mark in the place of each list. */
function around(text: string, found: readonly FoundList[]): [string, string] {
  const lists = found.toSorted((a, b) => a.from - b.from);
  let front = "";
  let at = 0;
  for (const { from, end } of lists) {
    if (from >= at) front += `${text.slice(at, from)} … `;
    at = Math.max(at, end);
  }
  return [front, text.slice(at)];
}

/** Whether the rest speaks of answers in other words, which may be the labels: "answer yes if it is good". */
const mayNameLabels = (rest: string): boolean => /["“`”]|(?<!\w)'\w|\b(?:yes|true)\b/iu.test(rest);

const shortened = (cue: string): string => {
  const text = cue.replace(/\s+/g, " ").trim();
  return text.length > maxShown ? `…${text.slice(-maxShown)}` : text;
};

const keyedLabels = (key: string, labels: readonly string[]): JsonValue => ({
  type: "object",
  properties: { [key]: { enum: [...labels] } },
  required: [key],
  additionalProperties: false,
});
