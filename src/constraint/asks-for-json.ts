/**
 * @file Whether a prompt tells the model to answer in JSON, by rules: for a hint where no form of that JSON was found. Careful: a prompt that only
 * speaks of JSON, or asks for it in some cases, is none.
 */
const verb =
  "(?:answer|reply|respond|return|output|print|write|give|produce|provide|extract|convert|turn|format|put|report|emit|generate)";
const begins = "(?<=^\\s{0,8}|[:;,]\\s{0,8}|\\b(?:and|then|please|always|must|should|only|also) )";
/** JSON itself, not what is made of it, describes it or is said of it: the sentence ends behind it, or says how it looks. */
const json =
  "JSON\\b(?=(?: (?:object|array|format|form))?(?:\\s*$|\\s*[.,:;!?()\"'`{\\[–—]| (?:with|without|such as|like|of|only|alone|and|or|if|when|in (?:the|this) form)\\b))";
const filler =
  "(?:only|just|always|strictly|exactly|with|in|as|a|an|one|single|valid|pure|raw|compact|the|your|all|this|nothing but|line of|block of|answers?|results?|output|response|everything)";
const within = "[^.!?;\\n]";

const demands = [
  // Output JSON …; answer only with one valid JSON object
  new RegExp(`${begins}${verb} (?:${filler} ){0,6}${json}`, "iu"),
  // Extract the fields as JSON; convert the order to JSON
  new RegExp(`${begins}${verb}\\b${within}{1,120}? (?:as|in|into|to) (?:${filler} ){0,3}${json}`, "iu"),
  // Your output must be valid JSON; the answer is JSON; format: JSON
  new RegExp(
    `\\b(?:answers? (?:is|are)|(?:answers?|output|response|reply|result|format)(?::| must be| should be| has to be)) (?:${filler} ){0,4}${json}`,
    "iu",
  ),
] as const;

/** Words before it by which a sentence forbids it, asks for it in some cases, or for words about it. */
const otherwise =
  /\b(?:not|never|don't|dont|without|no|where|or|about|explain|describe|discuss|compare|teach|questions?|errors?|mistakes?)\b/iu;

/** A condition, wherever the sentence has it. */
const condition = /\b(?:if|when|whenever|unless)\b/iu;

/** Other cases, right behind it. */
const inSomeCases = /^(?:\s+(?:object|format|form|output))?,?\s+(?:only )?(?:where|or)\b/iu;

/** Longest prompt that is searched, in characters. */
const maxPrompt = 2 ** 15;

/** The words that tell the model to answer in JSON; undefined where none do for certain. */
export function asksForJson(prompt: string): string | undefined {
  if (prompt.length > maxPrompt || !/\bjson\b/iu.test(prompt)) return undefined;
  for (const sentence of prompt.match(/[^.!?\n]+[.!?\n]?/gu) ?? []) {
    const found = demands.map((demand) => demand.exec(sentence)).find((match) => match !== null);
    if (found === undefined || condition.test(sentence)) continue;
    const end = found.index + found[0].length;
    if (!otherwise.test(sentence.slice(0, end)) && !inSomeCases.test(sentence.slice(end)))
      return found[0].replace(/\s+/gu, " ");
  }
  return undefined;
}
