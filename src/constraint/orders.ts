/** @file What a prompt asks for beside its lists, by words and by orders, clause by clause: whether it is more than a label. */
import type { FoundList } from "./find-list.ts";

const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/u));

/** Orders to read and to think, which ask for no words. */
const reading = words(
  "read look check see note consider think analyze analyse assess evaluate examine inspect study understand infer deduce recognize recognise base ignore treat be remember",
);

/** Orders how to do it. */
const method =
  /^(?:(?:use|apply|follow|rely on|draw on) (?:\w+ ){0,4}(?:guidelines|rules|criteria|definitions?|instructions|information|knowledge|context|reasoning|logic|skills?|understanding)|(?:note|make sure|ensure|keep in mind|bear in mind|pay attention|take into account))\b/iu;

/** Orders to find out what the label tells. In front of the list they say what it is; behind it they ask for something else. */
const deciding = words(
  "decide determine detect identify judge rate grade classify categorize categorise sort label mark tag assign route name predict guess compare choose choosing pick select use match turn",
);

/** Orders to say something. Of a label alone they ask for no more. */
const saying = words(
  "answer reply respond output return say print give write state tell name use choose choosing pick select assign provide indicate",
);

/** Orders to work something out. In front of the list they say how the label is found. */
const working = words("calculate check complete compute count estimate extract fill find perform solve");

/** Orders to say or do something of another kind. They need no article to be orders: "add reasons", "help customers". */
const making = words(
  "add advise apologise apologize ask assist chat cite comment compose continue convert correct create describe discuss draft elaborate explain generate greet guide help include interview invent justify keep list make mention note open outline paraphrase plan play propose put quiz quote recommend rephrase repeat report rewrite send show sing suggest summarise summarize talk teach translate",
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
  "(?:messages?|e-?mails?|mails?|inputs?|texts?|reviews?|tickets?|requests?|questions?|documents?|complaints?|letters?|articles?|comments?|posts?|tweets?|quer(?:y|ies)|headlines?|statements?|scenarios?|pairs?|descriptions?|products?|cases?|dialogues?|conversations?|utterances?|passages?|snippets?|situations?|problems?|excerpts?|claims?|examples?|sentences?|instances?|samples?|records?|transactions?|incidents?|reports?|alerts?|applications?|issues?|notes?|opinions?|pairs of \\w+)";
const containers =
  /\b(?:paragraph|document|article|passage|essay|e-?mail|message|letter|story|transcript|report|list)s?\b/iu;

/** What a model reads. */
export const inputNoun = new RegExp(`^${inputs}$`, "iu");

/** What a model reads from: one answer for each of them is one answer. */
const ofInputs = new RegExp(
  `\\b(?:each|every)(?: \\w{1,30})? ${inputs}\\b(?! (?:in|of|from) )|\\b(?:each|every) time\\b|\\beach other\\b|(?<!\\bfor )\\beach (?:answer|option|choice|label|category|class|tag)\\b`,
  "giu",
);
const ofTheInput = new RegExp(
  `\\b(?:for|of|to) (?:the|this|that|each|every|a|an)(?: \\w{1,30})? ${inputs}(?: (?:below|above))?$`,
  "iu",
);
const labelsOf = "(?:labels|tags|categories|classes|topics|intents|departments|teams)";

/** Words that ask for more than one label, wherever they stand. */
const more = new RegExp(
  [
    "\\b(?:explain|explaining|justify|(?:short|brief|your|an) (?:explanation|justification|rationale))\\b",
    "\\b(?:followed by|own words|your own|in detail|step by step|full sentences?|in (?:one|two|three) sentences?|print both|separated by|commas?)\\b",
    "\\b(?:and|plus|with|or) (?:an?|the|your|its|one|two|three)(?: (?:short|brief|long|detailed|one-line)){0,2} (?:reasons?|explanation|score|probability|confidence|comment)\\b",
    "\\b(?:and|plus) (?:an?|your|its|one|two|three)(?: (?:short|brief|long|detailed|one-line)){0,2} (?:sentences?|summary|description)\\b",
    `\\b(?:that|${labelsOf}|options|of (?:them|these|those)) apply\\b`,
    "\\b(?:one or more|more than one|at least one|any number|as many|up to (?:\\d+|two|three|four|five)) ?(?:of (?:these|those|them|the following|the labels)|\\w{0,10} ?(?:labels?|tags?|categor|class|topic|intent|option|as ))",
    `\\b(?:multiple|several|more than one|one or more|all (?:of )?(?:the|these|those)) (?:\\w{1,20} )?${labelsOf}\\b`,
    "\\b(?:list|name|mark|give|print) all\\b|\\beach of (?:the following|them)\\b",
    "\\b(?:or|and) (?:invent|suggest|similar|among others)\\b|\\b(?:among others|invent a new)\\b",
  ].join("|"),
  "iu",
);
/** Words that ask for more where they stand behind the list; in front of it they tell of the input. */
const moreBehind =
  /\b(?:why|because|reasons?|reasoning|confidence|score|probabilit(?:y|ies)|rationale|explanations?|percent|(?:several|multiple|more than one) (?:may|can|are|is))\b/iu;
/** That the list only has examples: said in front of it, its mark, or right behind. */
const onlyExamples =
  /(?:\b(?:such as|like|e\.g\.?|for (?:example|instance)|examples? of[^.:\n]{0,30}:|includ(?:e|es|ing)|typical \p{L}+ are),?:?\s{0,4}… )|… \s{0,4},?\s{0,4}(?:etc\b|and so on|and others?\b|or similar|among others|and more\b|or others?\b|or one of your own)/iu;
/** What is denied is not asked for. The denial ends where an order begins. */
const negated =
  /\b(?:do not|don't|dont|never|no|without|not)(?: \w+){0,2}? (?:explain|explanations?|explaining|justify|justification|reasons?|write|add|include|describe|comment|translate|confidence|score|generate|provide|output)\b(?:(?!\bbut\b|,? and (?:give|add|tell|say|write|answer)\b|[,;] (?:give|add|tell|say|write|answer)\b)[^.\n])*/giu;

/** Parts of an input. A label for each of them is several. */
const partNouns = "(?:words?|tokens?|lines?|items?|rows?|entries|phrases?|clauses?|characters?|paragraphs?)";
const isPart = new RegExp(`\\b(?:the|these|all|its|each|every) (?:\\w{1,20} )?${partNouns}\\b`, "iu");
const several = /\b(?:the|these|all|its) (?:\p{L}+ )?(\p{L}+[^\Ws]s)\b(?<!news)/iu;

/** Whether labels are given to parts of the input: "mark the stressed syllables as". */
export const namesParts = (cue: string): boolean => {
  const noun = several.exec(cue)?.[1];
  return isPart.test(cue) || (noun !== undefined && !inputNoun.test(noun) && !/(?:us|is)$/iu.test(noun));
};
const labelling =
  /\b(?:classif\w+|categori[sz]\w+|label\w*|tag|tagging|mark|marking|rate|rating|answer|say|write|give|list|output|assign\w*|return|sort|print|decide)\b|…/iu;

/** Whether a sentence asks for labels of parts: "label each line". */
function asksForParts(text: string): boolean {
  const isInText = containers.test(text);
  return text.split(/[.!?]\s|\n/u).some((sentence) => {
    const rest = sentence.replace(ofInputs, (match) => (isInText && /sentence/iu.test(match) ? match : " "));
    return /\bfor (?:each|every)\b/iu.test(rest) || (/\b(?:each|every)\b/iu.test(rest) && labelling.test(rest));
  });
}

/** What may stand in front of an order. */
const lead =
  /^\s*(?:(?:[-*•–]|\d{1,3}[.)]|[A-Za-z][.)])\s+|(?:please|always|just|only|now|finally|first|next|afterwards|instead|simply|rather)\s+|you (?:must|should|will|may|can|have to|are to)\s+|(?:your|the) (?:task|job|goal|role|aim) is to\s+|i want you to\s+)*/iu;

const clauseEnds = /[.!?:;,…()\n]+|\s[-–—]\s|\b(?:and|then|but|also)\b/giu;

const clauses = (text: string): string[] => text.split(clauseEnds).map((clause) => clause.replace(lead, "").trim());

type Labels = {
  /** What the prompt calls the labels, beside the usual names. */
  readonly nouns: ReadonlySet<string>;
  /** Whether all labels are single letters or digits. */
  readonly areLetters: boolean;
  /** Whether they stand under a heading, so that what is asked is said elsewhere. */
  readonly haveHeading: boolean;
  /** The labels themselves, in lower case. */
  readonly said: ReadonlySet<string>;
};

/** What a prompt says beside its lists: in front of the last one, each with a mark "…" in its place, and behind it. */
type Rest = { readonly front: string; readonly behind: string };

/** Whether a word or an order of the rest asks for more than one of the labels. */
export function asksForMore({ front, behind }: Rest, found: readonly FoundList[], items: readonly string[]): boolean {
  const [before, after] = [front, behind].map((text) => text.replace(negated, " ")) as [string, string];
  const rest = `${before}${after}`;
  if (more.test(rest) || moreBehind.test(after) || onlyExamples.test(rest) || asksForParts(rest)) return true;
  const called = found.flatMap(({ cue }) => cue.match(/\p{L}{3,}/gu) ?? []).map(singular);
  const labels = {
    nouns: new Set(called.filter((word) => !inputNoun.test(word))),
    areLetters: items.every((label) => label.length === 1),
    haveHeading: found.some(({ heading }) => heading === true),
    said: new Set(items.map((label) => label.toLowerCase())),
  };
  return (
    clauses(before).some((clause) => asksForWords(clause) && !isWhatTheLabelTells(clause, labels)) ||
    clauses(after).some((clause) => isOrder(clause) && !asksForLabel(clause, labels) && !sortsUnder(clause, labels))
  );
}

/** In front of the list a prompt tells what to look at and how, so only orders to say or to make something count there. */
function asksForWords(clause: string): boolean {
  const verb = clause.split(/\s+/u, 1)[0]!.toLowerCase();
  return (saying.has(verb) || making.has(verb)) && isOrder(clause);
}

/** "Categories: … Classify the message." */
const sortsUnder = (clause: string, { haveHeading }: Labels): boolean =>
  haveHeading && /^(?:classify|categori[sz]e|assign|route) (?:the|each|every|this|it|them)\b/iu.test(clause);

function isOrder(clause: string): boolean {
  const [verb = "", next] = clause.split(/\s+/u);
  const first = verb.toLowerCase();
  if (next === undefined || smallWords.has(first)) return false;
  if (reading.has(first) || method.test(clause)) return false;
  if (deciding.has(first) || saying.has(first) || working.has(first) || making.has(first))
    return !/^(?:is|are|was|must|should|of)$/iu.test(next);
  return article.test(next) && /^\p{L}+$/u.test(first) && !/(?:[^s]s|ed|ing|ly)$/u.test(first);
}

function isWhatTheLabelTells(clause: string, labels: Labels): boolean {
  const [verb = "", next = ""] = clause.toLowerCase().split(/\s+/u);
  if (deciding.has(verb) || asksForLabel(clause, labels)) return true;
  if (/^make (?:a|an|your|the) (?:\w+ )?(?:judge?ment|decision|determination|choice|classification)\b/iu.test(clause))
    return true;
  if (/^(?:tell|say|state|answer)(?: me)? (?:whether|if|which|what|who|how|the question)\b/iu.test(clause)) return true;
  return labels.haveHeading && saying.has(verb) && next === "the";
}

function asksForLabel(clause: string, { nouns, areLetters, said: labels }: Labels): boolean {
  const [verb = "", ...rest] = clause.toLowerCase().replace(ofTheInput, "").trimEnd().split(/\s+/u);
  const object = rest.join(" ").replace(/^(?:with )?["“'`]?|["”'`]$/gu, "");
  if (labels.has(object) && (saying.has(verb) || verb === "generate")) return true;
  if (!saying.has(verb)) return false;
  const said = rest.slice(0, relative(rest, /^(?:choose|pick|select|assign)$/u.test(verb)));
  const isLetter = (word: string) => areLetters && /^(?:letter|number|digit|figure)$/u.test(word);
  const isBetween = (word: string) => between.has(word) || /^\w+-(?:letter|word|digit)$/u.test(word);
  const isNoun = (word: string) => labelNouns.has(word) || nouns.has(word) || isLetter(word) || word === "one";
  const forms = said.map((word) => word.replace(/^["“'`]+|["”'`]+$/gu, "")).map((word) => [word, singular(word)]);
  return forms.every((both) => both.some((word) => isNoun(word) || isBetween(word))) && forms.flat().some(isNoun);
}

/** Where "that fits best", "based on the problem" and the like begins. */
function relative(rest: readonly string[], isChoice: boolean): number {
  const at = rest.findIndex((word) =>
    (isChoice ? /^(?:that|which|to|based|according)$/iu : /^(?:based|according)$/iu).test(word),
  );
  return at < 0 ? rest.length : at;
}
