/**
 * @file The closed set of answers that a prompt states, found by rules. Careful: a set that is not found costs a flag, one that is not there
 * spoils every answer.
 *
 * Labels are found only where (1) a cue says that the answer is one of what follows, always and for the whole input, (2) what follows is a list
 * and nothing else, (3) no word and no order of the rest asks for more than the label, (4) all cues agree, and (5) so do the outputs of examples.
 */
import { AppError } from "../base/errors.ts";
import type { JsonValue } from "../base/json.ts";
import { findCalls } from "./find-calls.ts";
import { bulletedList, inlineList, type List } from "./find-list.ts";
import { findSchema } from "./find-schema.ts";
import { inputNoun, ofInputs, otherOrder, singular } from "./orders.ts";
import { constraintLimits, type FoundConstraint, labelsSpec } from "./spec.ts";

/** Longest prompt that is searched, in characters. */
const maxPrompt = 2 ** 15;
/** How many lists are read. A prompt that asks more often is not understood, and each list may be as long as the prompt. */
const maxLists = 30;
/** How much of a prompt `because` shows. */
const maxShown = 60;

const answer = "(?:answers?|reply|respond|output|outputs|return|say|print|give)";
const pick = `(?:${answer}|pick|choose|choosing|select|use|assign|tag|label|name|classify|categori[sz]e|sort|route|decide|identify|detect|mark)`;
const kind =
  "(?:labels?|categor(?:y|ies)|class(?:es)?|intents?|tags?|topics?|options?|choices?|values?|words?|names?|answers?|folders?|departments?|levels?)";
const count = "(?:exactly|only|just|always|strictly)";
/** One sentence goes on: no end of it, no colon, no new line. */
const same = (most: number) => `[^.:;?!\\n]{0,${most}}?`;

type Cue = {
  /** Ends where the list must begin. */
  readonly pattern: RegExp;
  /** The list must be joined by "or". */
  readonly or?: true;
  /** It is a heading, which asks for nothing itself. */
  readonly heading?: true;
  /** It tells the model to say what follows, which may be a form or a manner as well: "output XML or YAML". */
  readonly says?: true;
  /** What must hold besides. */
  readonly holds?: (prompt: string, match: RegExpExecArray) => boolean;
};

const cues: readonly Cue[] = [
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
  // Pick one of these actions: …
  { pattern: new RegExp(`\\b${pick}\\b${same(20)}\\bone of (?:these|the|the following) \\p{L}{3,30}:\\s*`, "giu") },
  // Pick exactly one label: …; choose one: …
  { pattern: new RegExp(`\\b${pick}\\b (?:with )?(?:${count} )?one(?: ${kind}| word)?:\\s*`, "giu") },
  // … from this list: …; choosing from the following labels: …; the best label from: …
  {
    pattern: new RegExp(
      `\\b${pick}\\b${same(80)}\\bfrom(?: (?:this list|the list|the following|these|the))?(?: (?:following )?${kind})?(?: below)?:\\s*`,
      "giu",
    ),
  },
  // Possible labels: …; The queues are: … Answer with the queue's name
  {
    pattern: new RegExp(
      `(?<=^|[.!?]\\s{1,4}|\\n\\s{0,8})(?:the )?(possible |allowed |valid |available |permitted )?(${kind}|\\p{L}{2,30}s)(?::| are:?)\\s*`,
      "giu",
    ),
    heading: true,
    holds: (prompt, [, closed, noun]) => asksForOneOf(prompt, noun!.toLowerCase(), closed !== undefined),
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
      `(?<=^\\s{0,8}|[.!?:,]\\s{1,4}|\\n\\s{0,8}|\\b(?:and|please|always|just|must|should) )(?:answer|reply|respond|output|return|say)\\b(?: ${count})?(?: with)?(?: ${count})?(?: either)?\\s+`,
      "giu",
    ),
    or: true,
    says: true,
  },
  // Which of these describes it: …? Answer with one of them
  {
    pattern: new RegExp(`\\bwhich of (?:these|the following)\\b${same(60)}:\\s*(?=[^?\\n]{0,1000}\\?)`, "giu"),
    holds: (prompt) => /\bone of them\b/iu.test(prompt),
  },
];

const isKind = new RegExp(`^${kind}$`, "iu");
const sorts =
  /(?<=^|[.!?:;,\n]\s{0,4}|\b(?:and|please|to) )(?:classify|categori[sz]e|sort|label|route|assign|determine|detect|identify)\b/iu;

/** Whether an answer is one of what stands under a heading: labels and answers are, other things where the prompt asks for one of them. */
function asksForOneOf(prompt: string, noun: string, isClosed: boolean): boolean {
  if (isKind.test(noun) && (isClosed || /^(?:label|answer|intent)/u.test(noun) || sorts.test(prompt))) return true;
  if (!/s$/u.test(noun)) return false;
  const name = `(?:${noun}|${singular(noun)})`;
  return new RegExp(
    `\\b(?:(?:${answer}|write|pick|choose|name|select|assign)\\b(?: (?:with|only|just|exactly|one|of|the|a|its|right|best|matching|name)){0,8} ${name}(?:['’]s (?:name|code))?(?: name)?(?: (?:only|alone|and nothing else))?(?=\\s{0,4}(?:[.!\\n]|$)| (?:of|that)\\b)|${pick}\\b${same(60)} (?:into|to|with) (?:exactly |only |just )?one (?:of the )?${name}\\b)`,
    "iu",
  ).test(prompt);
}

/** Words that ask for more than a label, or say that there are others. */
const more =
  /\b(?:explain|explanation|explaining|justify|why|because|reasons?|confidence|confident|score|followed by|then|(?<=\b(?:to|you) )write|(?<=[.,;!?]\s|and\s|to\s|\n|^)describe|summari[sz]e|rewrite|translate|correct the|invent|suggest|comment on|your own|own words|in detail|step by step|list (?:all|the)|all (?:of )?(?:the|these|those|them)|(?:that|tags|labels|categories|topics|options|of (?:them|these|those)) apply|one or more|more than one|at least one|any number|as many|several|multiple(?!-choice)|up to (?:\d+|two|three|four|five)|separated by|commas?|each of the following|for each of the|each of them|full sentences?|one sentence|print both|such as|e\.g|for (?:example|instance)|examples? of|among others|includ(?:e|es|ing)|etc|and so on|or similar|and (?:a|an|the|your|its) (?:short|brief|reason|explanation|score|probability))\b/iu;
/** What is denied is not asked for. The denial ends where an order begins. */
const negated =
  /\b(?:do not|don't|dont|never|no|without|not)(?: \w+){0,2}? (?:explain|explanations?|explaining|justify|justification|reasons?|write|add|include|describe|comment|translate|confidence|score)\b(?:(?!\bbut\b|,? and (?:give|add|tell|say|write|answer)\b|[,;] (?:give|add|tell|say|write|answer)\b)[^.\n])*/giu;
/** That a label is given for parts of the input: "each line". */
const parts = /\b(?:each|every)\b/iu;

/** That the label is asked for in some cases only. */
const condition = /\b(?:if|when|whenever|unless|once|in case)\b/iu;
/** "If" in place of "whether". */
const whether =
  /\b(?:decide|determine|check|tell|say|see|judge|test|find out|whether or not)(?: me)? if\b|\bwhether or not\b/giu;
/** Words that deny what is said behind them. */
const denial = /\b(?:not|never|without|cannot)\b|n't\b/iu;

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

type Found = List & {
  readonly from: number;
  /** The words in front of the list that say what it is. */
  readonly cue: string;
  readonly heading?: true;
};

function findLabels(prompt: string): FoundConstraint | undefined {
  const { instructions, examples, outputs } = withoutExamples(prompt);
  const matches = cues.flatMap((cue) => [...instructions.matchAll(cue.pattern)].map((match) => ({ cue, match })));
  if (matches.length > maxLists) return undefined;
  const found = [
    ...matches.flatMap(({ cue, match }) => listBehind(instructions, cue, match)),
    ...labelsByCase(instructions),
  ];
  const [first] = found;
  if (first === undefined) return undefined;
  const key = ({ items }: List) => [...items].sort().join("\n");
  if (found.some((other) => key(other) !== key(first))) return undefined;
  const last = fallback.exec(instructions);
  const [front, behind] = around(instructions, found).map((text) => text.replace(fallback, " "));
  const rest = `${front} … ${behind}`;
  if (last === null && anyFallback.test(rest)) return undefined;
  const other = last?.slice(1).find((text) => text !== undefined);
  const labels = other === undefined || first.items.includes(other) ? first.items : [...first.items, other];
  if (asksForMore(front!, behind!, found, labels)) return undefined;
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
function around(text: string, found: readonly Found[]): [string, string] {
  const lists = found.toSorted((a, b) => a.from - b.from);
  let front = "";
  let at = 0;
  for (const { from, end } of lists) {
    if (from >= at) front += `${text.slice(at, from)} … `;
    at = Math.max(at, end);
  }
  return [front, text.slice(at)];
}

function asksForMore(front: string, behind: string, found: readonly Found[], labels: readonly string[]): boolean {
  const rest = `${front} … ${behind}`.replace(negated, "");
  if (more.test(rest) || parts.test(rest.replace(ofInputs, " "))) return true;
  const called = found.flatMap(({ cue }) => cue.match(/\p{L}{3,}/gu) ?? []).map(singular);
  const names = {
    nouns: new Set(called.filter((word) => !inputNoun.test(word))),
    areLetters: labels.every((label) => label.length === 1),
    haveHeading: found.some(({ heading }) => heading === true),
    said: new Set(labels.map((label) => label.toLowerCase())),
  };
  return otherOrder(front.replace(negated, ""), behind.replace(negated, "").replace(form, " "), names) !== undefined;
}

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
    if (isLimited(before(prompt, match.index))) return [];
    const items = [...body.matchAll(new RegExp(labelCase, "gu"))].map((one) => one[1]!);
    return [{ items, from: end - body.length, end, hasOr: true, cue: match[0] }];
  });
}

/** The list that stands behind a cue, unless the cue's sentence denies it, goes on, or asks for it in some cases only. */
function listBehind(prompt: string, { or, heading, says, holds }: Cue, match: RegExpExecArray): Found[] {
  const from = match.index + match[0].length;
  if (holds !== undefined && !holds(prompt, match)) return [];
  const list = bulletedList(prompt, from) ?? inlineList(prompt, from);
  if (list === undefined || (or && !list.hasOr) || list.items.length > constraintLimits.labels) return [];
  if (says && isForm(prompt, match[0], list)) return [];
  if (isLimited(`${before(prompt, match.index)}${match[0]}`) || goesOnBehind(prompt, list.end)) return [];
  return [{ ...list, from, cue: match[0], ...(heading && { heading }) }];
}

/** The beginning of the sentence that goes on at `at`. */
function before(prompt: string, at: number): string {
  const text = prompt.slice(Math.max(0, at - 400), at + 1);
  const ends = [...text.matchAll(/[.!?](?=\s)|\n(?=\s*(?:\n|[-*•]|\d|\p{Lu}))/gu)];
  return text.slice((ends.at(-1)?.index ?? -1) + 1, -1);
}

/** That a list is asked for in some cases, or denied: a denial holds for its own clause. */
function isLimited(sentence: string): boolean {
  const text = sentence.replace(whether, " ");
  return (
    condition.test(text) ||
    denial.test(
      text
        .trimEnd()
        .split(/[,;:](?=.)|\b(?:but|and)\b/iu)
        .at(-1)!,
    )
  );
}

/** That the sentence asks for something beside the list: "yes or no with the page", "yes or no if they ask". */
function goesOnBehind(prompt: string, end: number): boolean {
  if (prompt[end - 1] === "\n") return false;
  const [tail] = /^[^.!?:;\n]{0,200}/u.exec(prompt.slice(end, end + 200))!;
  return condition.test(tail) || /^,? ?(?:with|plus|together|along|as well)\b/iu.test(tail);
}

/** That there is something to decide. */
const decides = /\?|\b(?:whether|check|classify|categori[sz]e|decide|determine|detect|judge)\b/iu;
const formats = /^(?:json|xml|yaml|html|csv|markdown|latex|prose|plain text|text|code)$/iu;

/** Formats, manners ("formally or informally"), and what "output" and "return" say where nothing is to be decided ("metres or feet"). */
const isForm = (prompt: string, cue: string, { items, end }: List): boolean =>
  items.every((item) => formats.test(item)) ||
  items.every((item) => /ly$/iu.test(item)) ||
  (/^(?:output|return)\s+$/iu.test(cue) && !/["”'`]/u.test(prompt[end - 1]!) && !decides.test(prompt));
