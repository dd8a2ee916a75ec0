/**
 * @file The paper's instruction data, as far as rules go: specific instructions abstracted to (system prompt, input, output). The paper let
 * GPT-4 rewrite Alpaca (appendix A.2); these rules cut what an instruction holds apart, and drop what they cannot:
 *   npx tsx runs/paper/abstraction.ts INSTRUCTIONS.jsonl[.gz] OUT.jsonl
 * INSTRUCTIONS has one {"instruction", "input", "response"} a line; OUT gets episodes for `loragen train`.
 */
import { z } from "zod";
import { checkSchema } from "../../src/base/json.ts";
import { type Episode, writeEpisodes } from "../../src/data/episode.ts";
import { readJsonl } from "../../src/files/jsonl.ts";

export const Instruction = z.looseObject({
  instruction: z.string(),
  input: z.string().default(""),
  response: z.string(),
});
export type Instruction = z.infer<typeof Instruction>;

type Cut = { readonly prompt: string; readonly input: string };

/** Takes an instruction without an input apart; undefined where it does not fit. */
type Rule = (instruction: string) => Cut | undefined;

const persona =
  /^(?:you are|you're|you have been|imagine|pretend|act as|take (?:on )?the role|role-?\s?play|assume|suppose|as an?)\b/iu;
const article =
  /^(write|compose|create|give|tell|draft|design|generate|list|recommend|explain|describe|summari[sz]e|discuss)\b/iu;

/**
 * Each with its name in reports. In this order: what stands behind a colon or in quotes is the input; a role, then a question to it; a thing to
 * make, then what it is about.
 */
export const rules: Readonly<Record<string, Rule>> = {
  "behind a colon": (text) => {
    const found = /^(.{12,200}?[a-z)]):\s{1,4}["“]?([^\n"”]{3,1200})["”]?$/u.exec(text);
    return found === null ? undefined : { prompt: `${found[1]!.trim()}.`, input: found[2]!.trim() };
  },
  "in quotes": (text) => {
    const found = /^([^"“'‘]{12,}?)\s*["“]([^"”]{8,})["”]([^"”]*)$/u.exec(text);
    if (found === null) return undefined;
    const rest = found[3]!.trim();
    return {
      prompt: `${found[1]!} what the user writes${/^[.,!?]/u.test(rest) ? rest : ` ${rest}`}`.trim(),
      input: found[2]!,
    };
  },
  "a role, then a task": (text) => {
    if (!persona.test(text)) return undefined;
    const found = /^(.{10,300}?(?<!\b(?:Dr|Mr|Mrs|Ms|St|Prof|Jr|Sr|[A-Z]))[.!])\s{1,4}(.{10,})$/su.exec(text);
    return found === null ? undefined : { prompt: found[1]!, input: found[2]!.trim() };
  },
  "a text about something": (text) => {
    const found = /^([^.?!,]{6,60}?)\s+(about|on|for|regarding)\s+([^.?!]{3,120})[.?!]?$/iu.exec(text);
    if (found === null || !article.test(found[1]!)) return undefined;
    return { prompt: `${found[1]!} ${found[2]!} what the user names.`, input: found[3]!.trim() };
  },
};

/** Longest prompt, input and output, in characters: what a system prompt, a question and an answer of a small model may be. */
export const limits = { prompt: 1200, input: 1200, output: 1600 } as const;

export type Abstracted = {
  readonly episodes: readonly Episode[];
  /** How many instructions each rule took apart, and how many were dropped, by reason. */
  readonly counts: Readonly<Record<string, number>>;
};

/** Instructions as episodes: those of one system prompt together, in the order in which it came first. */
export function abstract(instructions: Iterable<Instruction>): Abstracted {
  const byPrompt = new Map<string, { input: string; target: string }[]>();
  const counts: Record<string, number> = {};
  const count = (what: string) => {
    counts[what] = (counts[what] ?? 0) + 1;
  };
  for (const { instruction, input, response } of instructions) {
    const target = response.trim();
    const found = cutOf(instruction.trim(), input.trim());
    if (found === undefined) count("dropped: no rule fits");
    else if (target === "") count("dropped: no output");
    else if (isLong({ ...found, output: target })) count("dropped: too long");
    else {
      count(found.rule);
      byPrompt.set(found.prompt, [...(byPrompt.get(found.prompt) ?? []), { input: found.input, target }]);
    }
  }
  const episodes = [...byPrompt].map(([prompt, queries]) => ({ family: "instructions", prompt, queries }));
  return { episodes, counts };
}

const isLong = (texts: Readonly<Record<keyof typeof limits, string>>): boolean =>
  Object.entries(limits).some(([part, most]) => texts[part as keyof typeof limits].length > most);

function cutOf(instruction: string, input: string): (Cut & { readonly rule: string }) | undefined {
  if (instruction === "") return undefined;
  if (input !== "") return { prompt: instruction, input, rule: "an input of its own" };
  if (instruction.length > limits.prompt + limits.input) return undefined;
  for (const [rule, cut] of Object.entries(rules)) {
    const found = cut(instruction);
    if (found !== undefined) return { ...found, rule };
  }
  return undefined;
}

/** All instructions of a file. Throws E_FORMAT naming file and line. */
export async function readInstructionFile(path: string): Promise<Instruction[]> {
  const instructions: Instruction[] = [];
  for await (const value of readJsonl(path))
    instructions.push(
      checkSchema(value, Instruction, { what: `${path}, line ${instructions.length + 1}`, code: "E_FORMAT" }),
    );
  return instructions;
}

if (process.argv[1] === import.meta.filename) {
  const [from, out] = process.argv.slice(2);
  if (from === undefined || out === undefined) {
    console.error("expected INSTRUCTIONS.jsonl[.gz] OUT.jsonl");
    process.exitCode = 1;
  } else {
    const { episodes, counts } = abstract(await readInstructionFile(from));
    await writeEpisodes(out, episodes);
    console.log(out, episodes.length, counts);
  }
}
