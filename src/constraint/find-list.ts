/** @file Lists in prose: bullets, or items within a sentence. */

export type List = {
  readonly items: readonly string[];
  /** Where it ends in the text. */
  readonly end: number;
  /** Whether "or" (or a slash) joins the last items. */
  readonly hasOr: boolean;
};

const maxWords = 4;
const maxItem = 60;
const quoted = `"[^"\\n]{1,60}"|“[^”\\n]{1,60}”|'[^'\\n]{1,60}'(?!\\w)|\`[^\`\\n]{1,60}\``;
/** Of a line without spaces at its end: an expression that looks for them reads a line of spaces again at each one. */
const bullet = /^[ \t]*(?:[-*•–]|\d{1,3}[.)]|[A-Za-z][.)])[ \t]+(\S.*)$/u;

/** Bullets from the line at `from` on (or the next): one item a line, what follows a colon or a dash in it is about the item. */
export function bulletedList(text: string, from: number): List | undefined {
  let at = lineStart(text, from);
  const items: string[] = [];
  while (at < text.length) {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(at, end).trimEnd();
    const item = bullet.exec(line)?.[1];
    if (item === undefined) {
      if (line !== "" || items.length > 0) break;
    } else items.push(item);
    at = end + 1;
  }
  const named = items.map((item) => unquoted((/^(.{1,60}?)(?::\s| [-–—] ).*$/u.exec(item)?.[1] ?? item).trim()));
  return isList(named) ? { items: named, end: Math.min(at, text.length), hasOr: false } : undefined;
}

/** A list may begin behind spaces and line ends, at the beginning of a line. */
function lineStart(text: string, from: number): number {
  const before = text.lastIndexOf("\n", from - 1) + 1;
  return text.slice(before, from).trim() === "" ? before : from;
}

/** Items up to the end of a sentence, or quoted ones as far as they go. */
export function inlineList(text: string, from: number): List | undefined {
  return quotedItems(text, from) ?? plainItems(text, from);
}

function quotedItems(text: string, from: number): List | undefined {
  const item = new RegExp(
    `(?:the (?:word|label|value) )?(${quoted})(\\s*(?:[,;|/]\\s*(?:or |and )?|\\s(?:or|and) )(?=(?:the (?:word|label|value) )?(?:${quoted})))?`,
    "uy",
  );
  item.lastIndex = from;
  const items: string[] = [];
  let hasOr = false;
  for (let match = item.exec(text); match !== null; match = item.exec(text)) {
    items.push(unquoted(match[1]!));
    from = item.lastIndex;
    if (match[2] === undefined) break;
    if (/or|\//u.test(match[2])) hasOr = true;
  }
  return isList(items) ? { items, end: from, hasOr } : undefined;
}

function plainItems(text: string, from: number): List | undefined {
  const sentence = /^[^.:?!\n]{1,100000}/u.exec(text.slice(from))?.[0];
  if (sentence === undefined) return undefined;
  const [body] = sentence.split(
    /(?:,? and |; ?)(?=(?:answer|reply|respond|return|output|give|say|write|choose|pick)\b)/iu,
  );
  const list = body!.replace(/(?:,? and)? nothing else\s*$| only\s*$| exactly as written\s*$/iu, "");
  const separator = [";", "|", ","].find((mark) => list.includes(mark));
  const isSlashed = separator === undefined && /^\s*[^\s/]+(?:\/[^\s/]+)+\s*$/u.test(list);
  const isBoth =
    separator === undefined &&
    /\b(?:possible|allowed|valid|permitted|only) \w{1,30} are:?\s{0,4}$/iu.test(
      text.slice(Math.max(0, from - 80), from),
    ); // the answers are A and B
  const unmarked = () => list.split(isSlashed ? "/" : isBoth ? / or | and /iu : / or /iu);
  const parts = separator === undefined ? unmarked() : list.split(separator);
  const last = parts.at(-1)!;
  const hasOr = isSlashed || / or /iu.test(list);
  const joined =
    separator === undefined ? [last] : last.replace(/^\s*(?:or|and) /iu, "").split(hasOr ? / or /iu : / and /iu);
  const items = [...parts.slice(0, -1), ...joined].map((part) =>
    unquoted(part.trim().replace(/^(?:or |either |the (?:word|label|value) )/iu, "")),
  );
  const isJoinedEarly = separator !== undefined && parts.slice(0, -1).some((part) => / or /iu.test(part));
  const goesOn = hasOr && / and /iu.test(joined.at(-1)!); // urgent or normal and tell why
  return isList(items) && !isJoinedEarly && !goesOn && items.every(isPlain)
    ? { items, end: from + body!.length, hasOr }
    : undefined;
}

/** Names of things, not phrases that go on: "in English", "a haiku", "if happy". */
const isPlain = (item: string): boolean =>
  !/^not\b|^etc$/u.test(item) &&
  !/^(?:in|to|for|about|from|by|at|on|as|like|when|if|with|that|which|what|how|a\s|an|any|all|it|them|also|your|my|user's|polite)\b/iu.test(
    item,
  ) &&
  !/\s(?:if|when|whenever|whichever|unless|only|first)\b/iu.test(item) &&
  !/\s(?:that|which|you|your|user|users|text|input|question|questions)\b|^(?:the|this|your) /iu.test(item);

const isList = (items: readonly string[]): boolean =>
  items.length >= 2 &&
  new Set(items).size === items.length &&
  items.every(
    (item) =>
      item !== "" && item.length <= maxItem && item.split(/\s+/u).length <= maxWords && !/[.!?{}[\]()]/u.test(item),
  );

function unquoted(item: string): string {
  return new RegExp(`^(?:${quoted})$`, "u").test(item) ? item.slice(1, -1) : item;
}
