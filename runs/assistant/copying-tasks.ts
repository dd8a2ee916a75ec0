/** @file Copying drills: short made-up tasks whose answers are words of the input, from which a small model learns to look back. */
import type { Rng } from "../../src/base/rng.ts";
import type { Sample, TaskFamily, TaskKind } from "../../src/data/task.ts";

type Drill = {
  readonly name: string;
  readonly kind: TaskKind;
  readonly prompts: readonly string[];
  readonly sample: (rng: Rng, words: (min: number, max: number) => string[]) => Sample;
};

const SAMPLES = { train: 6000, validation: 60 } as const;
const KEYS = ["name", "place", "time", "item", "colour", "owner", "title", "number", "city", "note"] as const;

const pairsOf = (rng: Rng, words: (min: number, max: number) => string[], count: number) =>
  rng
    .shuffle([...KEYS])
    .slice(0, count)
    .map((key) => [key, words(1, 2).join(" ")] as const);

/** How an input spells a key with its value. */
const SPELLINGS: readonly ((key: string, value: string) => string)[] = [
  (key, value) => `${key} ${value}`,
  (key, value) => `${key}: ${value}`,
  (key, value) => `the ${key} is ${value}`,
];

const DRILLS: readonly Drill[] = [
  {
    name: "repeat",
    kind: "rewriting",
    prompts: ["Repeat the text.", "Copy the message word by word.", "Say exactly what the user said.", "Echo."],
    sample: (_, words) => {
      const text = words(1, 10).join(" ");
      return { input: text, target: text };
    },
  },
  {
    name: "as-json",
    kind: "rewriting",
    prompts: ['Answer {"text": ...} with the text.', "Put the message into JSON.", "Wrap the text as a JSON object."],
    sample: (_, words) => {
      const text = words(1, 8).join(" ");
      return { input: text, target: JSON.stringify({ text }) };
    },
  },
  {
    name: "quoted",
    kind: "extraction",
    prompts: [
      "Give what stands in quotes.",
      "Return the quoted words.",
      "Which part is quoted?",
      "Only the quotation.",
    ],
    sample: (_, words) => {
      const quoted = words(1, 4).join(" ");
      return { input: [...words(0, 4), `"${quoted}"`, ...words(0, 4)].join(" "), target: quoted };
    },
  },
  {
    name: "after-first-word",
    kind: "rewriting",
    prompts: ["Leave out the first word.", "Everything but the first word.", "Drop the opening word, copy the rest."],
    sample: (_, words) => {
      const list = words(2, 9);
      return { input: list.join(" "), target: list.slice(1).join(" ") };
    },
  },
  {
    name: "last-words",
    kind: "extraction",
    prompts: ["The last word.", "Return the final word only.", "Which word ends the text?"],
    sample: (_, words) => {
      const list = words(2, 8);
      return { input: list.join(" "), target: list.at(-1)! };
    },
  },
  {
    name: "look-up",
    kind: "extraction",
    prompts: ["Look the key up.", "Answer with the value of the key.", "What belongs to the key asked for?"],
    sample: (rng, words) => {
      const pairs = pairsOf(rng, words, 2 + rng.int(3));
      const spell = rng.pick(SPELLINGS);
      const [key, value] = rng.pick(pairs);
      return { input: `${pairs.map((pair) => spell(...pair)).join(", ")}; ${key}?`, target: value };
    },
  },
  {
    name: "pairs-to-json",
    kind: "slots",
    prompts: [
      "Write the pairs as JSON.",
      "Turn keys and values into one JSON object.",
      "JSON with the slots, in order.",
    ],
    sample: (rng, words) => {
      const pairs = pairsOf(rng, words, 1 + rng.int(3));
      const spell = rng.pick(SPELLINGS);
      return {
        input: pairs.map((pair) => spell(...pair)).join(", "),
        target: JSON.stringify(Object.fromEntries(pairs)),
      };
    },
  },
];

export type CopyingOptions = {
  /** Words are drawn from it evenly: a word that stands in it twice comes twice as often. */
  readonly vocabulary: readonly string[];
  /** Begins the tasks' names. */
  readonly prefix?: string;
  /** How many words are random letters, which only copying can produce. */
  readonly randomWordShare?: number;
  /** No run of words is longer. */
  readonly maxWords?: number;
};

/** The drills, determined by `rng`. Their test split is empty. */
export function copyingTasks(
  rng: Rng,
  { vocabulary, prefix = "copy", randomWordShare = 0.15, maxWords = 10 }: CopyingOptions,
): TaskFamily[] {
  return DRILLS.map(({ name, kind, prompts, sample }) => {
    const own = rng.split(name);
    const word = () => (own.next() < randomWordShare ? randomWord(own) : own.pick(vocabulary));
    const words = (min: number, max: number) =>
      Array.from({ length: min + own.int(Math.min(max, maxWords) - min + 1) }, word);
    const draw = (count: number) => Array.from({ length: count }, () => sample(own, words));
    return {
      name: `${prefix}-${name}`,
      kind,
      seen: true,
      paraphrases: { train: prompts, validation: prompts, test: [] },
      train: draw(SAMPLES.train),
      validation: draw(SAMPLES.validation),
      test: [],
    };
  });
}

const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const randomWord = (rng: Rng) => Array.from({ length: 3 + rng.int(5) }, () => LETTERS[rng.int(26)]!).join("");
