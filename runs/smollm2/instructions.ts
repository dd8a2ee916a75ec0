/** @file Super-NI tasks as behaviours over their own inputs: their labels named in every prompt, sometimes under other names. */
import type { Rng } from "../../src/base/rng.ts";
import { readNiDescriptions, readNiRows, readNiTasks } from "../sources/super-ni.ts";
import { bySplit, type Split, sample, words } from "./behaviour.ts";
import { heldOutTopicTasks } from "./held-out.ts";
import { inventedWords } from "./vocabulary.ts";

const maxInputWords = 70;
const maxTargetWords = 16;
const maxDescriptionWords = 90;
const maxCodedWords = 170;
const maxLabels = 14;
const validationRows = 20;

export type Instruction = {
  readonly name: string;
  /** Descriptions by their authors and by others. */
  readonly descriptions: { readonly [S in Split]: readonly string[] };
  readonly rows: { readonly [S in Split]: readonly { readonly input: string; readonly target: string }[] };
  /** All answers where they are few. */
  readonly labels?: readonly string[];
};

export type InstructionGroup = "train" | "official-test" | "topics";

/** Tasks with short inputs and answers. Every tenth description by others is kept for validation, every tenth for tests. */
export async function readInstructions(data: string, group: InstructionGroup): Promise<Instruction[]> {
  const official = group === "official-test" ? "test" : "train";
  const tasks = (await readNiTasks(data)).filter(
    ({ task, official_split: split, source }) =>
      split === official &&
      heldOutTopicTasks.includes(task) === (group === "topics") &&
      !source.some((name) => name.includes("social_i_qa") || name.includes("socialiqa")),
  );
  const rows = await readNiRows(data, official);
  const others = await readNiDescriptions(data);
  return tasks.flatMap(({ task, definition }): Instruction[] => {
    const all = (rows.get(task) ?? []).map(({ input, output }) => ({ input: input.trim(), target: output[0]!.trim() }));
    const labels = [...new Set(all.map(({ target }) => target))].sort();
    const short = all.filter(
      ({ input, target }) =>
        target !== "" && words(input).length <= maxInputWords && words(target).length <= maxTargetWords,
    );
    const isClosed = labels.length <= maxLabels && labels.every((label) => words(label).length <= 6);
    if (short.length < 40) return [];
    // Labels like "E" or "3" mean nothing without the authors' definition, which says what they stand for.
    const areCodes = isClosed && labels.some((label) => label.length <= 2 && !/^(no|ok)$/i.test(label));
    if (areCodes && words(definition).length > maxCodedWords) return [];
    const written = areCodes
      ? []
      : (others.get(task) ?? []).filter((text) => words(text).length <= maxDescriptionWords);
    const own = areCodes || words(definition).length <= maxDescriptionWords ? [definition] : [];
    const every = (remainder: number) => written.filter((_, i) => i % 10 === remainder);
    const descriptions = {
      train: [...own, ...written.filter((_, i) => i % 10 < 8)],
      validation: every(9).length > 0 ? every(9) : own,
      test: every(8).length > 0 ? every(8) : own,
    };
    if (descriptions.train.length === 0) return [];
    const held = group === "train" ? validationRows : 0;
    return [
      {
        name: task,
        descriptions,
        rows: { train: short.slice(held), validation: held === 0 ? short : short.slice(0, held), test: short },
        ...(isClosed ? { labels } : {}),
      },
    ];
  });
}

const listings: readonly ((labels: readonly string[]) => string)[] = [
  (labels) => `Answer with one of: ${labels.join(", ")}.`,
  (labels) => `Labels: ${labels.join(", ")}.`,
  (labels) => `Possible answers: ${labels.map((label) => `"${label}"`).join(", ")}.`,
  (labels) => `Choose between ${labels.join(" / ")}.`,
  (labels) => `The answer is ${labels.join(" or ")}.`,
];

const renamings: readonly ((pairs: readonly (readonly [string, string])[]) => string)[] = [
  (pairs) => pairs.map(([label, name]) => `Write "${name}" for ${label}.`).join(" "),
  (pairs) => `Codes: ${pairs.map(([label, name]) => `${name} = ${label}`).join(", ")}. Answer with the code.`,
  (pairs) => `Instead of the usual answers use: ${pairs.map(([label, name]) => `${label} → ${name}`).join(", ")}.`,
  (pairs) => pairs.map(([label, name]) => `${name}: ${label}`).join("\n"),
];

export type Instructed = {
  readonly key: string;
  readonly wordings: { readonly [S in Split]: readonly string[] };
  readonly answer: (target: string) => string;
  readonly labels?: readonly string[];
};

/** The task under a drawn description; a task with few answers names them all, or renames them. */
export function instruct(rng: Rng, { name, descriptions, labels }: Instruction, { renamed = false } = {}): Instructed {
  if (labels === undefined)
    return { key: name, wordings: bySplit((split) => [rng.pick(descriptions[split])]), answer: (target) => target };
  const order = sample(rng, labels, labels.length);
  if (!renamed) {
    const list = rng.pick(listings)(order);
    return {
      key: name,
      wordings: bySplit((split) => [`${rng.pick(descriptions[split])} ${list}`]),
      answer: (target) => target,
      labels,
    };
  }
  const codes = rng.pick([
    (count: number) => sample(rng, inventedWords, count),
    (count: number) => sample(rng, [..."ABCDEFGHIJKLMN"].slice(0, Math.max(count, 2)), count),
    (count: number) => sample(rng, [..."123456789", "10", "11", "12", "13", "14"].slice(0, Math.max(count, 2)), count),
    (count: number) => (count === 2 ? sample(rng, ["true", "false"], 2) : sample(rng, inventedWords, count)),
  ])(order.length);
  const nameOf = new Map(order.map((label, i) => [label, codes[i]!]));
  const list = rng.pick(renamings)(order.map((label, i) => [label, codes[i]!] as const));
  return {
    key: `${name} ${JSON.stringify([...nameOf])}`,
    wordings: bySplit((split) => [`${rng.pick(descriptions[split])}\n${list}`]),
    answer: (target) => nameOf.get(target)!,
    labels: codes,
  };
}
