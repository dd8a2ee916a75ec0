/** @file Labels that a prompt names one by one, each with its case: answer "A" when …, "B" if …; output 1 if …, otherwise 0. */
import { type FoundList, quoted, unquoted } from "./find-list.ts";
import { before, isDenied, isLimited } from "./label-cues.ts";

/** Write "A" when …, "B" if … and "C" for …: each label in quotes, with its case. */
const labelCase = /"([^"\n]{1,40})"\s+(?:when|if|for|where)\b[^".\n]{1,200}/u;
const cases = new RegExp(
  `(?:(?<=^|[.!?:]\\s{1,4}|\\n\\s{0,8})(?:answer|reply|respond|output|return|say|write)(?: with)?|\\b(?:classify|categori[sz]e|label|mark|tag|rate)\\b[^."\\n]{0,80}\\bas)\\s{1,4}((?:${labelCase.source.replace("(", "(?:")}){2,20})`,
  "giu",
);

const goesOn = /\b(?:and|then|but|or) (?:answer|reply|respond|output|say|write|explain|ask|add|help|give|use)\b/iu;

/** That nothing but one of them is said: in the sentence of the cases, or in the next. */
const isClosed =
  /\b(?:nothing else|no other (?:text|words?)|(?:code|label|word|letter|answer|name|number)s?,? (?:only|alone)|(?:only|just) (?:the|this|that|one|a)(?: \w{1,20})? (?:code|label|word|letter|name|number))\b|\b(?:all|everything|anything) else\b|\ball other\b/iu;
const nextSentence = /^[^.!?\n]{0,80}[.!?\n]?\s{0,4}[^.!?\n]{0,120}/u;

/** Labels of which the prompt says besides that nothing else is answered. */
export function labelsByCase(prompt: string): FoundList[] {
  return [...prompt.matchAll(cases)].flatMap((match) => {
    const body = match[1]!;
    const end = match.index + match[0].length;
    const sorts = /\bas\s/iu.test(match[0].slice(0, -body.length));
    if (goesOn.test(body)) return [];
    if (!sorts && !isClosed.test(body + nextSentence.exec(prompt.slice(end, end + 300))![0])) return [];
    if (isLimited(before(prompt, match.index))) return [];
    const items = [...body.matchAll(new RegExp(labelCase, "gu"))].map((one) => one[1]!);
    return [{ items, from: end - body.length, end, hasOr: true, isMarked: true, cue: match[0] }];
  });
}

/** A label that needs no quotes to be seen: a number, a letter, a word in capitals, yes and no. */
const code = "(?:(?:[Yy]es|[Nn]o|[Tt]rue|[Ff]alse|[Uu]nknown|\\d{1,3}|[A-Z][A-Z\\d_]{0,30})(?![\\p{L}\\p{N}_-]))";
const label = `(?:${quoted}|${code})`;
const answering =
  "(?:[Aa]nswer|[Rr]eply|[Rr]espond|[Oo]utput|[Rr]eturn|[Gg]enerate|[Pp]rint|[Gg]ive|[Pp]redict|[Ii]ndicate|[Mm]ark|[Ll]abel|[Cc]lassify|[Cc]ategori[sz]e|[Cc]hoose|[Ss]elect|[Ss]tate|[Ww]rite|[Pp]rovide|(?:[Aa]nswer|[Oo]utput|[Ll]abel|[Rr]esponse) (?:is|should be|must be|will be))";
/** What may stand between an order and the label: "classify the review as", "indicate your answer by", "generate a label". */
const object = "(?:\\s{1,4}(?!if\\b|when\\b|otherwise\\b|else\\b)[\\p{L}-]{1,20}){0,8}?";
/** The last case: it takes all that is left, so the set is closed. */
const last = new RegExp(
  `\\b(?:[Oo]therwise|[Ee]lse|[Ii]f not|[Ii]f (?:it|they) (?:is|are|does|do)(?: not|n't)|[Ii]n (?:all|any|every) other cases?)\\b,?(?:\\s{1,4}(?:the |your )?${answering}${object})?\\s{1,4}(${label})(?=\\s{0,4}(?:[.,;!\\n)]|$))|[\\s,;](?:and|or)(?:\\s{1,4}${answering}${object})?\\s{1,4}(${label})\\s(?:otherwise|if not|if (?:it|they) (?:is|are|does|do)(?: not|n't)|in (?:all|any) other cases?)(?=[.,;!\\n]|$)`,
  "gu",
);
const first = new RegExp(
  `\\b${answering}${object}\\s{1,4}(${label})|(?<=[,;]\\s|\\bor\\s|\\band\\s)(?:as\\s)?(${label})(?=\\s(?:if|when|for|where)\\b)`,
  "gu",
);
const caseWord = /\b(?:if|when|whenever|where|in case)\b/iu;
/** What may stand behind a label: its case, or the end of it. */
const goesToCase = /^\s{0,4}(?:[,;.)]|$|(?:if|when|whenever|where|for|in case|or|and)\b)/iu;
const asksBeside = /\b(?:explain\w*|reasons?|why|also|adding|together|along|plus|followed)\b/iu;
/** Without quotes, and the stop that some put inside them. */
const nameOf = (text: string): string => unquoted(text).replace(/[.,]$/u, "");
/** How far in front of the last case the first may stand. */
const reach = 600;

/** Labels of which the last one is for all other cases. */
export function labelsUpToOtherwise(prompt: string): FoundList[] {
  return [...prompt.matchAll(last)].slice(0, 10).flatMap((match) => {
    const begin = Math.max(0, match.index - reach, prompt.lastIndexOf("\n", match.index) + 1);
    const text = lastSentences(prompt.slice(begin, match.index));
    const matches = [...text.matchAll(first)];
    const named = matches.map((one) => nameOf((one[1] ?? one[2])!));
    const items = [...new Set([...named, nameOf((match[1] ?? match[2])!)])];
    if (named.length === 0 || items.length < named.length + 1 || !caseWord.test(text)) return [];
    if (matches.some((one) => !goesToCase.test(text.slice(one.index + one[0].length)))) return [];
    if (goesOn.test(text.slice(0, matches[0]!.index)) || asksBeside.test(text) || isDenied(matches[0]![0])) return [];
    const from = match.index - text.length + matches[0]!.index;
    return [{ items, from, end: match.index + match[0].length, hasOr: true, isMarked: true, cue: matches[0]![0] }];
  });
}

/** The sentence that goes on at the end, or where none has begun, the one before. */
function lastSentences(text: string): string {
  const ends = [...text.matchAll(/[.!?]\s/gu)].map(({ index }) => index + 2);
  const isBegun = text.slice(ends.at(-1) ?? 0).trim() !== "";
  return text.slice(ends.at(isBegun ? -1 : -2) ?? 0);
}

const codeFor = `${code} for [^,;.:\\n]{1,80}`;
const codes = new RegExp(
  `\\b(?:${answering})(?: with)? (${codeFor}(?:[,;]? (?:and |or )?${codeFor}){1,49})(?=\\s{0,4}(?:[.;\\n]|$))`,
  "gu",
);

/** Answer 1 for spam, 2 for news and 3 for letters: letters and numbers that stand for something are said of nothing else. */
export function codesByMeaning(prompt: string): FoundList[] {
  return [...prompt.matchAll(codes)].slice(0, 10).flatMap((match) => {
    const body = match[1]!;
    const items = [...body.matchAll(new RegExp(`(?<=^|[,;]? (?:and |or )?)(${code})(?= for )`, "gu"))].map(
      (one) => one[1]!,
    );
    if (isLimited(before(prompt, match.index)) || goesOn.test(body) || asksBeside.test(body)) return [];
    if (items.length < 2 || new Set(items).size < items.length) return [];
    const end = match.index + match[0].length;
    return [{ items, from: end - body.length, end, hasOr: true, isMarked: true, cue: match[0] }];
  });
}
