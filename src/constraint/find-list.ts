/** @file Lists in prose: bullets, numbers in a sentence, or items within a sentence. */

export type List = {
  readonly items: readonly string[];
  /** Where it ends in the text. */
  readonly end: number;
  /** Whether "or" (or a slash) joins the last items. */
  readonly hasOr: boolean;
  /** Whether marks set each item apart from the sentence: quotes, bullets, numbers. */
  readonly isMarked: boolean;
};

/** A list behind words that ask for one of it. */
export type FoundList = List & {
  readonly from: number;
  /** The words in front of the list that say what it is. */
  readonly cue: string;
  readonly heading?: true;
  /** It may only describe what the answer tells: "whether it is good or bad". */
  readonly describes?: true;
};

const maxWords = 4;
const maxItem = 60;
export const quoted = `"[^"\\n]{1,60}"|“[^”\\n]{1,60}”|'[^'\\n]{1,60}'(?!\\w)|\`[^\`\\n]{1,60}\``;
/** Of a line without spaces at its end: an expression that looks for them reads a line of spaces again at each one. */
const bullet = /^([ \t]*)(?:[-*•–]|\d{1,3}[.)]|[A-Za-z][.)])[ \t]+(\S.*)$/u;

/** Bullets from the line at `from` on (or the next): one item a line, what follows a colon, a dash or an equals sign or stands in brackets is about it. */
export function bulletedList(text: string, from: number): List | undefined {
  let at = lineStart(text, from);
  let end = at;
  let indent: number | undefined;
  const items: string[] = [];
  for (let blank = 0; at < text.length && blank < 2; ) {
    const newline = text.indexOf("\n", at);
    const lineEnd = newline < 0 ? text.length : newline;
    const line = text.slice(at, lineEnd).trimEnd();
    const [, spaces = "", item] = bullet.exec(line) ?? [];
    const isWithin = indent !== undefined && /^[ \t]/u.test(line) && (item === undefined || spaces.length > indent);
    if (item !== undefined && !isWithin) {
      indent ??= spaces.length;
      items.push(item);
    } else if (line !== "" && !isWithin) break; // what is indented below an item is about it
    blank = line === "" && items.length > 0 ? blank + 1 : 0;
    at = lineEnd + 1;
    if (line !== "") end = at;
  }
  const named = items.map((item) =>
    unquoted(withoutNotes((/^(.{1,60}?)(?::\s| [-–—=] ).*$/u.exec(item)?.[1] ?? item).trim()).replace(/[,;]$/u, "")),
  );
  return isList(named) ? { items: named, end: Math.min(end, text.length), hasOr: false, isMarked: true } : undefined;
}

/** A list may begin behind spaces and line ends, at the beginning of a line. */
function lineStart(text: string, from: number): number {
  const before = text.lastIndexOf("\n", from - 1) + 1;
  return text.slice(before, from).trim() === "" ? before : from;
}

/** Items up to the end of a sentence, or quoted and numbered ones as far as they go. */
export function inlineList(text: string, from: number): List | undefined {
  return quotedItems(text, from) ?? numberedItems(text, from) ?? plainItems(text, from);
}

/** Commas, "or" and "and" between two items. */
const joint = `(?:,? (?:or|and|or else) |[,;|/]\\s{0,8}(?:or |and )?|\\s{1,8}(?:or|and) |(?<=,["”'])\\s)`;
const named = "(?:(?:the|a|as) )?(?:(?:word|label|value|letter|number|category) )?";

function quotedItems(text: string, from: number): List | undefined {
  const item = new RegExp(`(?:either )?${named}(${quoted})(\\s{0,8}${joint}\\s{0,8}(?=${named}(?:${quoted})))?`, "uy");
  item.lastIndex = from;
  const items: string[] = [];
  let hasOr = false;
  for (let match = item.exec(text); match !== null; match = item.exec(text)) {
    items.push(unquoted(match[1]!));
    from = item.lastIndex;
    if (match[2] === undefined) break;
    if (/or|\//u.test(match[2])) hasOr = true;
  }
  const labels = withoutStops(items);
  return isList(labels) ? { items: labels, end: from, hasOr, isMarked: true } : undefined;
}

/** 1) red, 2) blue and 3) green; (1) red (2) blue. */
function numberedItems(text: string, from: number): List | undefined {
  const item =
    /\s{0,8}(?:[,;]\s{0,8})?(?:(?:and|or)\s)?\s{0,8}\(?(\d{1,3})\)\s{0,8}([^\s,;.:()\n][^,;.:()\n]{0,60}?)(?=\s{0,4}(?:[,;.\n]|$|\(?\d{1,3}\)|(?:and|or)\s\(?\d))/uy;
  item.lastIndex = from;
  const items: string[] = [];
  let end = from;
  for (let match = item.exec(text); match !== null && Number(match[1]) === items.length + 1; match = item.exec(text)) {
    items.push(unquoted(match[2]!.trim()));
    end = item.lastIndex;
  }
  const goesOn = /^[,;]?\s{0,8}(?:(?:and|or)\s)?\s{0,8}\(?\d{1,3}\)/u.test(text.slice(end, end + 40)); // with one that is no name
  return isList(items) && !goesOn ? { items, end, hasOr: false, isMarked: true } : undefined;
}

function plainItems(text: string, from: number): List | undefined {
  const isInBrackets = text[from - 1] === "(";
  const sentence = (isInBrackets ? /^[^.:?!\n()]{1,100000}/u : /^[^.:?!\n]{1,100000}/u).exec(text.slice(from))?.[0];
  if (sentence === undefined) return undefined;
  const [body] = sentence.split(
    /(?:,? and |; ?)(?=(?:answer|reply|respond|return|output|give|say|write|choose|pick)\b)|(?:, ?| )(?=(?:based on|according to|depending on|corresponding to|respectively|for (?:the|this|each|every))\b)|[;,] (?=(?:anything|everything|nothing) else\b)/iu,
  );
  const list = withoutNotes(body!).replace(/(?:,? and)? nothing else\s*$| only\s*$| exactly as written\s*$/iu, "");
  const separator = [";", "|", " / ", ","].find((mark) => list.includes(mark));
  const isSlashed = separator === undefined && /^\s*[^\s/]+(?:\/[^\s/]+)+\s*$/u.test(list);
  const isOfAll =
    /(?:\b(?:possible|allowed|valid|permitted|only) \w{1,30} are:?|\bbetween(?: the \w{1,30})?:?)\s{0,4}$/iu.test(
      text.slice(Math.max(0, from - 80), from),
    ); // the answers are A and B; choose between A and B
  const isBoth = separator === undefined && isOfAll;
  const unmarked = () => list.split(isSlashed ? "/" : isBoth ? / or | and /iu : / or /iu);
  const parts = separator === undefined ? unmarked() : list.split(separator);
  const last = parts.at(-1)!;
  const hasOr = isSlashed || separator === " / " || / or /iu.test(list) || (isOfAll && / and /iu.test(list));
  const joined =
    separator === undefined
      ? [last]
      : last.replace(/^\s*(?:or|and) /iu, "").split(/ or /iu.test(list) ? / or /iu : / and /iu);
  const items = withoutMeanings(
    withoutKind(
      [...parts.slice(0, -1), ...joined].map((part) =>
        unquoted(part.trim().replace(/^(?:or |as |either |the (?:word|label|value|letter|number) )+/iu, "")),
      ),
    ),
  );
  const isJoinedEarly = separator !== undefined && parts.slice(0, -1).some((part) => / or /iu.test(part));
  const goesOn = hasOr && / and /iu.test(joined.at(-1)!); // urgent or normal and tell why
  return isList(items) && !isJoinedEarly && !goesOn && items.every(isPlain)
    ? {
        items,
        end: from + body!.length,
        hasOr,
        isMarked: false,
      }
    : undefined;
}

/** "positive or negative category": the last words name them all. */
const kindBehind =
  /^(?:(?:the|a) )?(\S.*?) (?:labels?|categor(?:y|ies)|class(?:es)?|tags?|options?|groups?|types?|respectively|accordingly)$/iu;

const withoutKind = (items: readonly string[]): readonly string[] => {
  const name = kindBehind.exec(items.at(-1)!)?.[1];
  return name === undefined ? items : [...items.slice(0, -1), unquoted(name)];
};

/** "A = alarm, L = light", "1=yes, 0=no": what stands for something is the item. */
const withoutMeanings = (items: readonly string[]): readonly string[] => {
  const codes = items.map((item) =>
    /^(?:(\p{Lu}{1,4}|\p{L}|\d{1,3})=|([^\s=]{1,20}) = )[^\s=]/u
      .exec(item)
      ?.slice(1)
      .find((code) => code !== undefined),
  );
  return codes.every((code) => code !== undefined) ? codes : items;
};

/** What stands in brackets behind an item is about it where it has several words; a single one could be the name itself: "happy (POS)". */
const note = /\s\([^()\s]{1,40}\s[^()\n]{1,200}\)/gu;
const withoutNotes = (text: string): string => text.replace(note, "");

/** Names of things, not phrases that go on: "in English", "a haiku", "if happy". */
const isPlain = (item: string): boolean =>
  !/^not\b|^etc$|["“”`=]|^'|'$/u.test(item) &&
  !/^(?:in|to|for|about|from|by|at|on|as|like|when|if|with|that|which|what|how|a\s|an|any|all|it|them|also|your|my|user's|polite|several|various|specific|certain|such)\b/iu.test(
    item,
  ) &&
  !/\s(?:if|when|whenever|whichever|unless|only|first)\b/iu.test(item) &&
  !/\s(?:that|which|you|your|user|users|text|input|question|questions)\b|^(?:the|this|your) /iu.test(item);

/**
 * Whether what stands behind "classify as" and the like are names, not descriptions: "as positive or negative", not "as showing joy or sorrow",
 * nor "good or bad reviews", where the last word belongs to both. Where it is said by the way ("…, marking it as"), names have capitals.
 */
export function areNames({ items, isMarked }: List, cue: string): boolean {
  if (isMarked) return true;
  if (/ing\b[^.]*\b(?:as|into)\b[^.]*$/iu.test(cue) && !items.every((item) => /^[\p{Lu}\d]/u.test(item))) return false;
  if (/\binto\b/iu.test(cue) && items.some((item) => item.includes(" "))) return false;
  if (/[^s]s$/u.test(items.at(-1)!) && items.filter((item) => item.includes(" ")).length === 1) return false;
  return items.every(
    (item) =>
      !/^\p{Ll}+ing\s|^(?:more|less|being|other|something)\s|\s(?:for|in|from|about|with)\s/u.test(item) &&
      !/^\p{Ll}.*\s\p{L}*[^s\s]s$/u.test(item),
  );
}

const isList = (items: readonly string[]): boolean =>
  items.length >= 2 &&
  new Set(items).size === items.length &&
  items.every(
    (item) =>
      item !== "" && item.length <= maxItem && item.split(/\s+/u).length <= maxWords && !/[.!?{}[\]()]/u.test(item),
  );

/** Without its quotes. */
export const unquoted = (item: string): string =>
  new RegExp(`^(?:${quoted})$`, "u").test(item) ? item.slice(1, -1) : item;

/** Without the stops and commas that some put inside quotes: `"spam," "ham," or "both."`. A stop that all items have is theirs. */
const withoutStops = (items: readonly string[]): readonly string[] =>
  items.map((item, i) => (i < items.length - 1 ? item.replace(/,$/u, "") : item.replace(/[.,]$/u, "")));
