/**
 * @file The closed set of answers that a prompt states, found by rules. Careful: a set that is not found costs a flag, one that is not there
 * spoils every answer.
 *
 * Something is found only where (1) a cue says that the answer is one of what follows, (2) what follows is a list and nothing else, (3) no word
 * of the rest asks for more than the label, (4) all cues agree, and (5) so do the outputs of examples.
 */
import { AppError } from "../base/errors.ts";
import type { JsonValue } from "../base/json.ts";
import { findCalls } from "./find-calls.ts";
import { bulletedList, inlineList, type List } from "./find-list.ts";
import { findSchema } from "./find-schema.ts";
import { constraintLimits, type FoundConstraint, labelsSpec } from "./spec.ts";

/** Longest prompt that is searched, in characters. */
const maxPrompt = 2 ** 15;
/** How many lists are read. A prompt that asks more often is not understood, and each list may be as long as the prompt. */
const maxLists = 30;
/** How much of a prompt `because` shows. */
const maxShown = 60;

const answer = "(?:answers?|reply|respond|output|outputs|return|say|print|give)";
const pick = `(?:${answer}|pick|choose|choosing|select|use|assign|tag|label|name|classify|categori[sz]e|sort|decide|identify|detect|mark)`;
const kind =
  "(?:labels?|categor(?:y|ies)|class(?:es)?|intents?|tags?|topics?|options?|choices?|values?|words?|names?|answers?|folders?|departments?|levels?)";
/** What labels are called where the prompt also asks for one of them by that name. */
const named = "(?:queues?|teams?|codes?|routes?|groups?|types?|priorit(?:y|ies)|status(?:es)?)";
const count = "(?:exactly|only|just|always|strictly)";
/** One sentence goes on: no end of it, no colon, no new line. */
const same = (most: number) => `[^.:;?!\\n]{0,${most}}?`;

/** That the answer is one of what the list calls by such a name. */
const asksForNamed = new RegExp(
  `\\b(?:${answer}|write|pick|choose|name|select|assign)\\b(?: (?:with|only|just|one|of|the|a|its|right|best|matching|name|number)){0,8} ${named}(?:'s (?:name|number))?(?: (?:only|alone|and nothing else))?(?=\\s{0,4}(?:[.!\\n]|$))`,
  "iu",
);

/** Each ends where a list must begin; `or` says that it must be joined by "or", `asked` what the prompt must say as well. */
const cues: readonly { readonly pattern: RegExp; readonly or?: true; readonly asked?: RegExp }[] = [
  // Choose one of these intents for every request: …; answer with one of: …; the component must be one of …
  {
    pattern: new RegExp(
      `\\b${pick}\\b${same(80)}\\bone of(?: (?:these|those|the|three|four|five|six)\\b)?(?: following\\b)?(?: ${kind}\\b(?: for every \\w+| exactly as written)?)?(?: below)?:?\\s*`,
      "giu",
    ),
  },
  {
    pattern: new RegExp(
      `\\b(?:${kind} is|must be|has to be|should be) (?:${count} )?one of(?: the following\\b| these\\b)?:?\\s*`,
      "giu",
    ),
  },
  // Pick exactly one label: …; choose one: …
  { pattern: new RegExp(`\\b${pick}\\b (?:with )?(?:${count} )?one(?: ${kind}| word)?:\\s*`, "giu") },
  // … from this list: …; choosing from the following labels: …; the best label from: …
  {
    pattern: new RegExp(
      `\\b${pick}\\b${same(80)}\\bfrom(?: (?:this list|the list|the following|these|the))?(?: (?:following )?${kind})?(?: below)?:\\s*`,
      "giu",
    ),
  },
  // Possible labels: …; Categories: …; The intents are …
  {
    pattern: new RegExp(
      `(?<=^|[.!?]\\s{1,4}|\\n\\s{0,8})(?:the )?(?:possible |allowed |valid |available |permitted )?${kind}(?::| are:?)\\s*`,
      "giu",
    ),
  },
  // The queues are: … Answer with the queue's name
  {
    pattern: new RegExp(
      `(?<=^|[.!?]\\s{1,4}|\\n\\s{0,8})(?:the )?(?:possible |allowed |valid |available |permitted )?${named}(?::| are:?)\\s*`,
      "giu",
    ),
    asked: asksForNamed,
  },
  // Classify the text as …; label the comment as …
  {
    pattern: new RegExp(
      `\\b(?:classify|categori[sz]e|label|mark|tag|rate|judge|sort)\\b${same(80)}\\b(?:as|into)(?: either)?:?\\s*`,
      "giu",
    ),
    or: true,
  },
  // Classify the purchase: a, b or c
  {
    pattern: new RegExp(`\\b(?:classify|categori[sz]e|name|identify|detect|determine)\\b${same(60)}:\\s*`, "giu"),
    or: true,
  },
  // Answer yes or no; reply with "yes" or "no"; return either a or b
  {
    pattern: new RegExp(
      `(?<=^\\s{0,8}|[.!?:]\\s{1,4}|\\n\\s{0,8}|\\b(?:and|please|always|must|should) )(?:answer|reply|respond|output|return|say)\\b(?: ${count})?(?: with)?(?: ${count})?(?: either)?\\s+`,
      "giu",
    ),
    or: true,
  },
  // Which of these describes it: …? Answer with one of them
  {
    pattern: new RegExp(`\\bwhich of (?:these|the following)\\b${same(60)}:\\s*(?=[^?\\n]{0,1000}\\?)`, "giu"),
    asked: /\bone of them\b/iu,
  },
];

/** Words that ask for more than a label, or say that there are others. */
const more =
  /\b(?:explain|explanation|explaining|justify|why|because|reasons?|confidence|confident|score|followed by|then|write(?! (?:(?:only|just) )?(?:the|one) (?:code|label|word|name|letter|number|answer)s?\b|\s+["“…])|(?<=[.,;!?]\s|and\s|to\s|^)describe|summari[sz]e|rewrite|translate|correct the|invent|suggest|comment on|your own|own words|in detail|list (?:all|the)|all that apply|one or more|at least one|any number|separated by|commas?|each of the following|for each of the|every (?:token|word|sentence)|each of them|full sentences?|one sentence|print both|such as|e\.g|for (?:example|instance)|examples? of|among others|includ(?:e|es|ing)|etc|and so on|or similar|and (?:a|an|the|your|its) (?:short|brief|reason|explanation|score|probability))\b/iu;
const negated =
  /\b(?:do not|don't|dont|never|no|without|not)(?: \w+){0,2}? (?:explain|explanations?|explaining|justify|justification|reasons?|write|add|describe|comment|translate|confidence|score)\b[^.\n]*/giu;

/** What is answered where nothing fits: one more label. */
const fallback =
  /\b(?:otherwise|if (?:none|nothing|no|unsure|you are (?:not sure|unsure))\b[^.,\n]{0,40}),? (?:please )?(?:answer|say|reply|respond|output|return|use|write)(?: with)?:? (?:"([^"\n]{1,40})"|'([^'\n]{1,40})'|`([^`\n]{1,40})`|([\p{L}\d_-]{1,40})(?=[.\n]|$))/iu;
const anyFallback = /\b(?:otherwise|if (?:none|nothing fits|you are (?:not sure|unsure)))\b/iu;

/** `{"intent": NAME}`: a form with one place for the label. */
const form = /\{\s*"([^"\n]{1,40})"\s*:\s*(?:<[^<>\n]{0,40}>|[A-Z][A-Z_ ]{0,40}|"[^"\n]{0,60}"|\.\.\.|…)\s*\}/u;

/** What a prompt demands of the answer's form; undefined where it demands nothing that is certain. */
export function findConstraint(prompt: string): FoundConstraint | undefined {
  if (prompt.length > maxPrompt) return undefined;
  try {
    return findSchema(prompt) ?? findCalls(prompt) ?? findLabels(prompt);
  } catch (error) {
    if (error instanceof AppError) return undefined; // a list or a schema that cannot be kept
    throw error;
  }
}

type Found = List & { readonly from: number; readonly because: string };

function findLabels(prompt: string): FoundConstraint | undefined {
  const matches = cues.flatMap((cue) => [...prompt.matchAll(cue.pattern)].map((match) => ({ cue, match })));
  if (matches.length > maxLists) return undefined;
  const found = [...matches.flatMap(({ cue, match }) => listBehind(prompt, cue, match)), ...labelsByCase(prompt)];
  const [first] = found;
  if (first === undefined) return undefined;
  const key = ({ items }: List) => [...items].sort().join("\n");
  if (found.some((other) => key(other) !== key(first))) return undefined;
  const rest = found
    .toSorted((a, b) => b.from - a.from)
    .reduce((text, { from, end }) => `${text.slice(0, from)} … ${text.slice(end)}`, prompt);
  const [instructions = "", ...examples] = rest.split(/\n(?=(?:Input|Example|Text|Question)\b[^\n]{0,20}:)/u);
  if (more.test(instructions.replace(negated, ""))) return undefined;
  const last = fallback.exec(instructions);
  if (last === null && anyFallback.test(instructions)) return undefined;
  const other = last?.slice(1).find((text) => text !== undefined);
  const labels = other === undefined || first.items.includes(other) ? first.items : [...first.items, other];
  const outputs = examples.flatMap(
    (example) => /^(?:Output|Answer|Label)\s*:\s*(.+)$/mu.exec(example)?.[1]?.trim() ?? [],
  );
  const { because } = first;
  if (/\bjson\b/iu.test(rest) || /[{}]/u.test(rest)) {
    const key = form.exec(prompt)?.[1];
    return key === undefined || outputs.length > 0
      ? undefined
      : { spec: { kind: "schema", schema: keyedLabels(key, labels) }, because };
  }
  if (outputs.some((output) => !labels.includes(output))) return undefined;
  return { spec: labelsSpec(labels), because };
}

const keyedLabels = (key: string, labels: readonly string[]): JsonValue => ({
  type: "object",
  properties: { [key]: { enum: [...labels] } },
  required: [key],
  additionalProperties: false,
});

/** Write "A" when …, "B" if … and "C" for …: each label in quotes, with its case. */
const labelCase = /"([^"\n]{1,40})"\s+(?:when|if|for|where)\b[^".\n]{1,200}/u;
const cases = new RegExp(
  `(?<=^|[.!?:]\\s{1,4}|\\n\\s{0,8})(?:answer|reply|respond|output|return|say|write)(?: with)?\\s{1,4}((?:${labelCase.source.replace("(", "(?:")}){2,20})`,
  "giu",
);

const goesOn = /\b(?:and|then|but|or) (?:answer|reply|respond|output|say|write|explain|ask|add|help|give|use)\b/iu;

/** That nothing but one of them is said: in the sentence of the cases, or in the next. */
const isClosed =
  /\b(?:nothing else|no other (?:text|words?)|(?:code|label|word|letter|answer|name|number)s?,? (?:only|alone)|(?:only|just) (?:the|this|that|one|a)(?: \w{1,20})? (?:code|label|word|letter|name|number))\b|\b(?:all|everything|anything) else\b|\ball other\b/iu;
const nextSentence = /^[^.!?\n]{0,80}[.!?\n]?\s{0,4}[^.!?\n]{0,120}/u;

function labelsByCase(prompt: string): Found[] {
  return [...prompt.matchAll(cases)].flatMap((match) => {
    const body = match[1]!;
    const end = match.index + match[0].length;
    if (goesOn.test(body) || !isClosed.test(body + nextSentence.exec(prompt.slice(end, end + 300))![0])) return [];
    const items = [...body.matchAll(new RegExp(labelCase, "gu"))].map((one) => one[1]!);
    return [{ items, from: end - body.length, end, hasOr: true, because: match[0].slice(0, maxShown) }];
  });
}

/** The list that stands behind a cue, unless it is a denial ("do not answer yes or no"). */
function listBehind(prompt: string, { or, asked }: (typeof cues)[number], match: RegExpExecArray): Found[] {
  if (asked && !asked.test(prompt)) return [];
  const from = match.index + match[0].length;
  if (/\b(?:not|n't|never)\s+$/iu.test(prompt.slice(Math.max(0, match.index - 12), match.index))) return [];
  const list = bulletedList(prompt, from) ?? inlineList(prompt, from);
  if (list === undefined || (or && !list.hasOr) || list.items.length > constraintLimits.labels) return [];
  const because = match[0].replace(/\s+/g, " ").trim();
  return [{ ...list, from, because: because.length > maxShown ? `…${because.slice(-maxShown)}` : because }];
}
