/** @file Words behind which the list of labels stands: that an answer is one of what follows. */
import { areNames, bulletedList, type FoundList, inlineList, type List, quoted } from "./find-list.ts";
import { namesParts, singular } from "./orders.ts";
import { constraintLimits } from "./spec.ts";

/** In all their forms: "choose", "choosing". */
const verbs = (all: string): string =>
  `(?:${all
    .split(" ")
    .map((verb) =>
      verb.endsWith("y")
        ? `${verb.slice(0, -1)}(?:y|ying)`
        : `${verb.replace(/e$/u, "")}(?:${verb.endsWith("e") ? "e" : ""}|[lt]?ing)`,
    )
    .join("|")})`;

const answer = "(?:answers?|reply|respond|output|outputs|return|say|print|give)";
const pick = `(?:${answer}|${verbs("pick choose select use assign tag label name classify categorise categorize sort route decide identify detect mark indicate predict generate answer output")})`;
/** Those that ask for the label itself, wherever it stands. */
const chosen = `(?:answer|reply|respond|return|output|${verbs("choose select pick indicate mark label classify")})`;
const kind =
  "(?:labels?|categor(?:y|ies)|class(?:es)?|classifications?|intents?|tags?|topics?|options?|choices?|values?|words?|names?|answers?|outputs?|responses?|folders?|departments?|levels?|emotions?|sentiments?)";
const count = "(?:exactly|only|just|always|strictly|simply)";
const small = "(?:two|three|four|five|six|seven|eight|nine|ten|\\d{1,2})";
/** One sentence goes on: no end of it, no colon, no new line. */
const same = (most: number) => `[^.:;?!\\n]{0,${most}}?`;
/** Where an order may begin. */
const begins =
  "(?<=^\\s{0,8}|[.!?:,;]\\s{1,4}|\\n\\s{0,8}|(?:[-*•–]|\\d[.)])\\s{1,4}|\\b(?:and|please|always|just|must|should|then|(?:task|job|role|goal|aim) is to|you (?:need|have|will|are asked|are required|are expected)(?: to)?) )";

type Cue = {
  /** Ends where the list must begin. */
  readonly pattern: RegExp;
  /** The list must be joined by "or", or each item set apart. */
  readonly or?: true;
  /** Each item must be in quotes. */
  readonly quoted?: true;
  /** Each item must be a letter, a number, a word in capitals, yes or no; in brackets. */
  readonly codes?: true;
  /** It is a heading, which asks for nothing itself. */
  readonly heading?: true;
  /** It tells the model to say what follows, which may be a form or a manner as well: "output XML or YAML". */
  readonly says?: true;
  /** It may tell what answers are like: "answers are short or long". So there must be something to decide, or the items look like labels. */
  readonly tells?: true;
  readonly describes?: true;
  /** It says that there is nothing else, so a denial in it denies nothing. */
  readonly denies?: true;
  /** What must hold besides. */
  readonly holds?: (prompt: string, match: RegExpExecArray) => boolean;
};

const cue = (pattern: string, options: Omit<Cue, "pattern"> = {}): Cue => ({
  pattern: new RegExp(pattern, "giu"),
  ...options,
});

const cues: readonly Cue[] = [
  // Choose one of these intents for every request: …; answer with one of: …; classify it into one of the five emotions: …
  cue(
    `\\b${pick}\\b${same(80)}\\bone of(?: (?:these|those|the|${small})\\b)?(?: ${small}\\b)?(?: following\\b)?(?: (?:possible |allowed |valid |given )?${kind}\\b(?: for every \\w+| exactly as written)?)?(?: below(?:\\.(?=\\s*\\n))?)?:?\\s*`,
    { holds: (_, [words]) => !/\b(?:whether|if)\b/iu.test(words) }, // whether it is one of joy or sorrow
  ),
  cue(
    `\\b(?:\\p{L}{3,30} )?(?:${kind} is|must be|has to be|should be) (?:${count} )?(?:among )?one of(?: the following\\b| these\\b)?(?: ${kind})?:?\\s*`,
  ),
  // Pick one of these actions: …; classify it into one of the five different emotions: …; sort it into three classes: …
  cue(
    `\\b${pick}\\b${same(80)}\\bone of (?:these|the|the following)(?: (?!in\\b|for\\b|when\\b)\\p{L}{2,30}){1,5}:\\s*`,
  ),
  cue(
    `\\b${verbs("classify categorise categorize sort assign")}\\b${same(80)}\\b(?:into|as|to) (?:one of )?(?:the )?(?:following )?(?:${small} )?(?:\\p{L}{3,20} )?${kind}(?: below)?:\\s*`,
  ),
  // Pick exactly one label: …; choose one: …
  cue(`\\b${pick}\\b (?:with )?(?:${count} )?one(?: ${kind}| word)?:\\s*`),
  // … from this list: …; choosing from the following labels: …; the best label from: …
  cue(
    `\\b${pick}\\b${same(80)}\\b(?:from|among|amongst)(?: (?:this list|the list|the following|these|the))?(?: (?:following |given |available )?${kind})?(?: below)?(?::|(?<=\\blist below)\\.(?=\\s*\\n))\\s*`,
  ),
  cue(
    `\\b${pick}\\b${same(80)}\\b(?:from|among|out of)(?: (?:this list|the list|the following|these|the))?(?: ${kind})?:?\\s*(?=${quoted})`,
    { quoted: true },
  ),
  // Choose between … and …
  cue(
    `${begins}(?:choose|pick|select|decide) between(?: (?:the )?(?:following )?(?:${small} )?(?:\\p{L}{3,20} )?${kind}(?::| of))?\\s+`,
    { or: true },
  ),
  // Possible labels: …; there are two possible categories: …; the queues are: … Answer with the queue's name
  cue(
    `(?<=^|[.!?]\\s{1,4}|\\n\\s{0,8})(?:the |your |there are )?(?:${small} )?(possible |allowed |valid |available |permitted |different )?(${kind}|\\p{L}{2,30}s)(?: to (?:use|choose from|apply))?(?: \\([^()\\n:]{1,40}\\))?(?::| are:?| are either)\\s*`,
    {
      heading: true,
      holds: (prompt, [, closed, noun]) => asksForOneOf(prompt, noun!.toLowerCase(), closed !== undefined),
    },
  ),
  cue(`\\bthere are (?:${small} )?(?:possible |different |distinct )?${kind}(?::| |\\s?(?=\\())\\s*`, {
    heading: true,
    holds: (prompt, [words]) => /possible/iu.test(words) || sorts.test(prompt),
  }),
  // The answer is a or b; your output should be "a" or "b"; answers must be the letters A, B and C
  cue(
    `(?<=^|[.!?:,;]\\s{1,4}|\\n\\s{0,8}|\\band )(?:(?:the|your|each|every) )?(?:(?:final|correct|expected|only|possible|allowed|valid) )*(?:answers?|outputs?|responses?|reply|replies|labels?|classifications?|predictions?)(?: (?:is|are|must be|should be|has to be|have to be|will be|can be|can only be|may be|may only be)) (?:in the form of )?(?:(?:${count}|either|always) )*(?:one of(?: the following)?(?: ${kind})?:?\\s*|the (?:letters|words|labels|numbers|values) )?`,
    { or: true, says: true, tells: true },
  ),
  // Anything else apart from "a" or "b"
  cue(
    `\\b(?:anything|nothing|something)(?: else)? (?:apart from|but|other than|except|besides)(?: for)? (?=${quoted})`,
    { quoted: true, denies: true },
  ),
  // Classify the text as …; label the comment as …; categorise it into …
  cue(
    `\\b${verbs("classify categorise categorize label mark tag rate judge sort identify define")}\\b${same(80)}\\b(?:as|into)\\b(?: (?:either|being|one of(?: the)?(?: ${small})?(?: ${kind})?))*:?\\s*`,
    { or: true, describes: true },
  ),
  // Classify the purchase: a, b or c; return the sentiment label: a, b, c
  cue(`\\b${pick}\\b(?: \\w{1,20}){1,4} (?:label|category|class|intent):\\s*`),
  cue(
    `\\b${verbs("classify categorise categorize name identify detect determine pick choose select")}\\b${same(60)}:\\s*`,
    { or: true },
  ),
  // Answer yes or no; reply with "yes" or "no"; return either a or b
  cue(
    `${begins}(?:answer|answering|reply|replying|respond|responding|output|outputting|return|returning|say|indicate|generate)\\b(?: ${count})?(?: (?:with|it as|your answer as|your answer by))?(?: ${count})?(?: either)?(?: the (?:letters?|words?|labels?|numbers?))?\\s+`,
    { or: true, says: true },
  ),
  // Write down the index ("A" or "B") of the right option; pick the right label ("a" or "b")
  cue(
    `\\b(?:${pick}|write|provide|find)\\b${same(100)}\\b(?:index|letter|number|label|option|class|category)s?\\s?[(:]\\s{0,4}`,
    { quoted: true },
  ),
  // Indicate it with "a" or "b"; mark the review using "a" or "b"
  cue(`\\b${chosen}\\b${same(60)}\\b(?:with|by|using|as|either)(?: either)? (?=${quoted})`, { quoted: true, or: true }),
  // Answer (yes/no); pick the right option (A, B, C or D)
  cue(`\\b${chosen}\\b${same(60)}\\s?\\(\\s{0,4}`, { codes: true }),
  // Which of these describes it: …? Answer with one of them
  cue(`\\bwhich of (?:these|the following)\\b${same(60)}:\\s*(?=[^?\\n]{0,1000}\\?)`, {
    holds: (prompt) => /\bone of them\b/iu.test(prompt),
  }),
];

/** How many lists are read. A prompt that asks more often is not understood, and each list may be as long as the prompt. */
const maxLists = 30;

/** The lists behind all cues; undefined where there are too many cues. */
export function listsBehindCues(prompt: string): FoundList[] | undefined {
  const matches = cues.flatMap((one) => [...prompt.matchAll(one.pattern)].map((match) => ({ one, match })));
  if (matches.length > maxLists) return undefined;
  return matches.flatMap(({ one, match }) => listBehind(prompt, one, match));
}

const code = /^(?:\p{Lu}[\p{Lu}\d_]*|\p{L}|\d{1,3}|[Yy]es|[Nn]o|[Tt]rue|[Ff]alse)$/u;
const isKind = new RegExp(`^${kind}$`, "iu");
const sorts =
  /(?<=^|[.!?:;,\n]\s{0,4}|\b(?:and|please|to|will|should) )(?:classify|categori[sz]e|sort|label|route|assign|determine|detect|identify|choose|pick|select)\b/iu;

/** Whether an answer is one of what stands under a heading: labels and answers are, other things where the prompt asks for one of them. */
function asksForOneOf(prompt: string, noun: string, isClosed: boolean): boolean {
  if (isKind.test(noun) && (isClosed || /^(?:label|answer|intent|output)/u.test(noun) || sorts.test(prompt)))
    return true;
  if (!/s$/u.test(noun)) return false;
  const name = `(?:${noun}|${singular(noun)})`;
  return new RegExp(
    `\\b(?:(?:${answer}|write|pick|choose|name|select|assign)\\b(?: (?:with|only|just|exactly|one|of|the|a|its|right|best|matching|name)){0,8} ${name}(?:['’]s (?:name|code))?(?: name)?(?: (?:only|alone|and nothing else))?(?=\\s{0,4}(?:[.!\\n]|$)| (?:of|that)\\b)|${pick}\\b${same(60)} (?:into|to|with) (?:exactly |only |just )?one (?:of the )?${name}\\b)`,
    "iu",
  ).test(prompt);
}

/** The list that stands behind a cue, unless the cue's sentence denies it, goes on, or asks for it in some cases only. */
function listBehind(prompt: string, one: Cue, match: RegExpExecArray): FoundList[] {
  const { or, heading, says, describes, denies, holds } = one;
  const from = match.index + match[0].length;
  if (holds !== undefined && !holds(prompt, match)) return [];
  const list = bulletedList(prompt, from) ?? inlineList(prompt, from);
  if (list === undefined || list.items.length > constraintLimits.labels) return [];
  const isJoined = list.hasOr || list.isMarked || /\bthe (?:letters|words|labels|numbers|values)\s+$/iu.test(match[0]);
  if ((or && !isJoined) || (one.quoted && !list.isMarked)) return [];
  if (one.codes && !(prompt[list.end] === ")" && list.items.every((item) => code.test(item)))) return [];
  if (describes && !(areNames(list, match[0]) && !namesParts(match[0]))) return [];
  if (says && isForm(prompt, match[0], list)) return [];
  if (
    one.tells &&
    !list.isMarked &&
    !(
      /\b(?:answer|label|class) is\s+$/iu.test(match[0]) ||
      list.items.every((item) => /^[\p{Lu}\d]/u.test(item)) ||
      decides.test(prompt)
    )
  )
    return [];
  if (/\bsuch as\s*$/iu.test(match[0])) return [];
  const sentence = `${before(prompt, match.index)}${match[0]}`;
  if (isConditional(sentence) || (!denies && isDenied(sentence)) || goesOnBehind(prompt, list.end, says === true))
    return [];
  return [{ ...list, from, cue: match[0], ...(heading && { heading }), ...(describes && { describes }) }];
}

/** The beginning of the sentence that goes on at `at`. */
export function before(prompt: string, at: number): string {
  const text = prompt.slice(Math.max(0, at - 400), at + 1);
  const ends = [...text.matchAll(/[.!?](?=\s)|\n(?=\s*(?:\n|[-*•]|\d|\p{Lu}))/gu)];
  return text.slice((ends.at(-1)?.index ?? -1) + 1, -1);
}

/** That the label is asked for in some cases only. */
const condition = /\b(?:if|when|whenever|unless|once|in case)\b/iu;
/** "If" in place of "whether". */
const whether = new RegExp(
  `\\b(?:${verbs("decide determine check tell say see judge test assess evaluate identify predict conclude ascertain")}|find out|figure out|whether or not)\\b(?: \\w{1,20}){0,2} if\\b|\\bwhether or not\\b`,
  "giu",
);
/** Words that deny what is said behind them. */
const denial = /\b(?:not|never|without|cannot)\b|n't\b/iu;

const isConditional = (sentence: string): boolean => condition.test(sentence.replace(whether, " "));

/** A denial holds for its own clause. */
export const isDenied = (sentence: string): boolean =>
  denial.test(
    sentence
      .replace(whether, " ")
      .trimEnd()
      .split(/[,;:](?=.)|\b(?:but|and)\b/iu)
      .at(-1)!,
  );

/** That a list is asked for in some cases, or denied. */
export const isLimited = (sentence: string): boolean => isConditional(sentence) || isDenied(sentence);

/** That the sentence asks for something beside the list: "yes or no with the page", "yes or no if they ask". */
function goesOnBehind(prompt: string, end: number, says: boolean): boolean {
  if (prompt[end - 1] === "\n") return false;
  const [tail] = /^[^.!?:;\n]{0,200}/u.exec(prompt.slice(end, end + 200))!;
  return (
    condition.test(tail) ||
    (says && /^,? ?depending\b/iu.test(tail)) ||
    /^,? ?(?:with|plus|together|along|as well)\b/iu.test(tail)
  );
}

/** That there is something to decide. */
const decides = /\?|\b(?:whether|check|classify|categori[sz]e|decide|determine|detect|judge)\b/iu;
const formats =
  /^(?:python|javascript|typescript|java|sql|bash|english|french|german|spanish|italian|json|xml|yaml|html|csv|markdown|latex|prose|plain text|text|code)$/iu;

/** Formats, manners ("formally or informally"), and what "output" and "return" say where nothing is to be decided ("metres or feet"). */
const isForm = (prompt: string, cue: string, { items, end }: List): boolean =>
  items.every((item) => formats.test(item)) ||
  items.every((item) => /ly$/iu.test(item)) ||
  (/^(?:output|return)\s+$/iu.test(cue) && !/["”'`]/u.test(prompt[end - 1]!) && !decides.test(prompt));
