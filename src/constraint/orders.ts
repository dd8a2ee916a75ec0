/** @file The orders of a prompt, clause by clause: whether one of them asks for more than a label. */

const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/u));

/** Orders to read and to think, which ask for no words. */
const reading = words(
  "read look check see note consider think analyze analyse assess evaluate examine inspect study understand infer deduce recognize recognise base ignore treat be remember",
);

/** Orders to find out what the label tells. In front of the list they say what it is; behind it they ask for something else. */
const deciding = words(
  "decide determine detect identify judge rate grade classify categorize categorise sort label mark tag assign route name predict guess compare choose choosing pick select use match turn",
);

/** Orders to say something. Of a label alone they ask for no more. */
const saying = words(
  "answer reply respond output return say print give write state tell name use choose choosing pick select assign",
);

/** Orders that need no article to be one: "add reasons", "help customers". */
const doing = words(
  "add advise apologise apologize ask calculate check cite comment compose continue convert correct count create discuss draft estimate extract fill generate greet help invent keep list make mention note open perform propose provide put quiz quote recommend repeat report rewrite send show sing solve suggest summarise summarize talk teach translate",
);

/** No verbs, though an article or the like may stand behind them: "of the", "is a", "given a". */
const smallWords = words(
  "about after all and as at based because before between both but by can could did do does during each either even every except exactly for from given had has have he here how i if in into is are was were just less like may might more most must neither no nor not of off on once only or other our out over per she should since so some such than that the their there these they this those through to under until up was we what when where whether which while who whom whose why will with within without would you your it its a an one half any many much nothing",
);
const article =
  /^(?:the|an?|its|his|her|their|your|our|my|this|that|these|those|it|them|him|me|us|some|any|one|two|three|four|five|how|why|what|whether|which)$/iu;

/** What a label may be called, and the small words between. */
const labelNouns = words(
  "answer category choice class code department folder group intent label level name option priority queue route status json object tag team topic type value word nothing else it them these those following",
);
const between = words(
  "a above alone always an and appropriate apply as back below best brief briefly chosen concisely correct describe exact exactly fit fitting form from full in its just like list listed match matching me more most of one only or other right same short simply single strictly text that the this us with your either",
);

/** Of "classes", "category's" and the like: "class", "category". */
export function singular(noun: string): string {
  const plain = noun.toLowerCase().replace(/['’]s$/u, "");
  return plain
    .replace(/ies$/u, "y")
    .replace(/(ss|x|ch|sh|tus)es$/u, "$1")
    .replace(/(?<![su])s$/u, "");
}

const inputs =
  "(?:messages?|e-?mails?|mails?|inputs?|texts?|reviews?|tickets?|requests?|questions?|documents?|complaints?|letters?|articles?|comments?|posts?|tweets?|quer(?:y|ies)|headlines?)";

/** What a model reads. */
export const inputNoun = new RegExp(`^${inputs}$`, "iu");

/** What a model reads from: one answer for each of them is one answer. */
export const ofInputs = new RegExp(
  `\\b(?:each|every)(?: \\w{1,30})? ${inputs}\\b(?! (?:in|of|from) )|\\b(?:each|every) time\\b`,
  "giu",
);
const ofTheInput = new RegExp(
  `\\b(?:for|of|to) (?:the|this|that|each|every|a|an)(?: \\w{1,30})? ${inputs}(?: (?:below|above))?$`,
  "iu",
);

/** What may stand in front of an order. */
const lead =
  /^\s*(?:(?:[-*•–]|\d{1,3}[.)]|[A-Za-z][.)])\s+|(?:please|always|just|only|now|finally|first|next|afterwards|instead|simply|rather)\s+|you (?:must|should|will|may|can|have to|are to)\s+|(?:your|the) (?:task|job|goal|role|aim) is to\s+|i want you to\s+)*/iu;

const clauseEnds = /[.!?:;,…()\n]+|\s[-–—]\s|\b(?:and|then|but|also)\b/giu;

const clauses = (text: string): string[] => text.split(clauseEnds).map((clause) => clause.replace(lead, "").trim());

export type Labels = {
  /** What the prompt calls the labels, beside the usual names. */
  readonly nouns: ReadonlySet<string>;
  /** Whether all labels are single letters or digits. */
  readonly areLetters: boolean;
  /** Whether they stand under a heading, so that what is asked is said elsewhere. */
  readonly haveHeading: boolean;
  /** The labels themselves, in lower case. */
  readonly said: ReadonlySet<string>;
};

/**
 * The first order that asks for more than one of the labels; undefined where none does. `front` is what stands before the list of labels, `behind`
 * what follows it.
 */
export function otherOrder(front: string, behind: string, labels: Labels): string | undefined {
  return (
    clauses(front).find((clause) => isOrder(clause) && !isWhatTheLabelTells(clause, labels)) ??
    clauses(behind).find((clause) => isOrder(clause) && !asksForLabel(clause, labels))
  );
}

function isOrder(clause: string): boolean {
  const [verb = "", next] = clause.split(/\s+/u);
  const first = verb.toLowerCase();
  if (next === undefined || smallWords.has(first)) return false;
  if (reading.has(first)) return false;
  if (deciding.has(first) || saying.has(first) || doing.has(first))
    return !/^(?:is|are|was|must|should|of)$/iu.test(next);
  return article.test(next) && /^\p{L}+$/u.test(first) && !/(?:[^s]s|ed|ing|ly)$/u.test(first);
}

function isWhatTheLabelTells(clause: string, labels: Labels): boolean {
  const [verb = "", next = ""] = clause.toLowerCase().split(/\s+/u);
  if (deciding.has(verb) || asksForLabel(clause, labels)) return true;
  if (/^(?:tell|say|state|answer)(?: me)? (?:whether|if|which|what|who|how|the question)\b/iu.test(clause)) return true;
  return labels.haveHeading && saying.has(verb) && next === "the";
}

function asksForLabel(clause: string, { nouns, areLetters, said: labels }: Labels): boolean {
  const [verb = "", ...rest] = clause.toLowerCase().replace(ofTheInput, "").trimEnd().split(/\s+/u);
  const object = rest.join(" ").replace(/^(?:with )?["“'`]?|["”'`]$/gu, "");
  if (labels.has(object) && (saying.has(verb) || verb === "generate")) return true;
  if (!saying.has(verb)) return false;
  const said = /^(?:choose|pick|select|assign)$/u.test(verb) ? rest.slice(0, relative(rest)) : rest;
  const isLetter = (word: string) => areLetters && /^(?:letter|number|digit|figure)$/u.test(word);
  const isNoun = (word: string) => labelNouns.has(word) || nouns.has(word) || isLetter(word) || word === "one";
  const forms = said.map((word) => word.replace(/^["“'`]+|["”'`]+$/gu, "")).map((word) => [word, singular(word)]);
  return forms.every((both) => both.some((word) => isNoun(word) || between.has(word))) && forms.flat().some(isNoun);
}

/** Where "that fits best" and the like begins. */
function relative(rest: readonly string[]): number {
  const at = rest.findIndex((word) => /^(?:that|which|to)$/iu.test(word));
  return at < 0 ? rest.length : at;
}
