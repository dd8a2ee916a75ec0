/** @file The synthetic family: lookup tables and string functions over made-up lists. Nothing but the prompt tells the answer. */
import type { Rng } from "../../src/base/rng.ts";
import { type Behaviour, bySplit, fill, type Split, sample, words } from "./behaviour.ts";
import { inventedWords, things, values } from "./vocabulary.ts";

const tableFrames = {
  train: [
    "Look the word up: {table}. Answer with its value.",
    "Table: {table}\nThe user gives a key; reply with the value.",
    "{table}\nReturn what belongs to the word in the message.",
    "Translate by this list and say nothing else: {table}.",
    "Each word has a code. {table}. Give the code.",
  ],
  test: ["These are pairs: {table}. To the first part of a pair answer with the second.", "Map the input by: {table}"],
  validation: ["Use the mapping {table} and output the mapped value."],
} as const satisfies { readonly [S in Split]: readonly string[] };

const arrows = [" = ", ": ", " -> ", " is ", " => "];

const carriers = [
  "{key}",
  "{key}",
  "{key}",
  "the {key}",
  "please look up {key}",
  "what about {key}?",
  "{key} please",
  "tell me the value of {key}",
];

/** A table with keys and values of its own. Inputs are its keys, alone or in a few words. */
export function lookupTable(rng: Rng, keys: readonly string[], allValues: readonly string[] = values): Behaviour {
  const drawn = rng.next() < 0.8 ? sample(rng, allValues, keys.length) : keys.map(() => rng.pick(allValues));
  const order = rng.shuffle(keys.map((key, i) => [key, drawn[i]!] as const));
  const arrow = rng.pick(arrows);
  const between = rng.pick([", ", "; ", "\n"]);
  const table = order.map(([key, value]) => key + arrow + value).join(between);
  const valueByKey = new Map(order);
  return {
    kind: "lookup",
    group: "lookup",
    key: JSON.stringify(order),
    wordings: bySplit((split) => tableFrames[split].map((frame) => fill(frame, { table }))),
    answer: ({ text }) => {
      for (const word of words(text.replace(/[?.]/g, ""))) if (valueByKey.has(word)) return valueByKey.get(word);
      return undefined;
    },
    labels: [...new Set(drawn)],
  };
}

export const tableKeys = (rng: Rng): string[] =>
  sample(rng, rng.next() < 0.8 ? things : inventedWords.slice(0, 60), 3 + rng.int(4));

export const tableInput = (rng: Rng, key: string): string => fill(rng.pick(carriers), { key });

type ListFunction = {
  readonly sentences: readonly string[];
  readonly apply: (items: readonly string[], value: string) => string;
  readonly values?: readonly string[];
};

const listFunctions: { readonly [kind: string]: ListFunction } = {
  "list-nth": {
    values: ["first", "second", "third", "last"],
    sentences: ["Answer with the {value} item.", "Give the {value} word of the list.", "Which is the {value}? Say only that.", "Pick item: {value}.", "Return the {value} entry.", "Name the {value} element."],
    apply: (items, value) => ({ first: items[0], second: items[1], third: items[2], last: items.at(-1) })[value]!,
  },
  "list-join": {
    values: ["+", "-", ", ", " and ", "/"],
    sentences: ['Join the items with "{value}".', 'Write all items with "{value}" between them.', 'Connect the words by "{value}".', 'Put "{value}" between the entries.', 'Output the list separated by "{value}".', 'Combine the elements using "{value}".'],
    apply: (items, value) => items.join(value),
  },
  "list-reverse": {
    sentences: ["Reverse the list.", "Write the items from last to first.", "Turn the order around.", "List them backwards.", "Output the entries in reverse.", "Give the elements in opposite order."],
    apply: (items) => [...items].reverse().join(" "),
  },
  "list-count": {
    sentences: ["How many items are there? Answer with a number.", "Count the items.", "Give the number of words in the list.", "Say how many there are, in digits.", "Return the size of the list.", "Output the count of elements."],
    apply: (items) => String(items.length),
  },
  "list-sort": {
    sentences: ["Sort the items by the alphabet.", "Write the items in alphabetical order.", "Order the words from a to z.", "Arrange them alphabetically.", "Output the entries sorted alphabetically.", "Give the elements in a-z order."],
    apply: (items) => [...items].sort().join(" "),
  },
  "list-ends": {
    sentences: ["Answer with the first and the last item.", "Give the first word and the last word.", "Name both ends of the list.", "Write the first, then the last.", "Return the first and last entries.", "Output the two outer elements."],
    apply: (items) => `${items[0]} ${items.at(-1)}`,
  },
  "list-without": {
    values: ["first", "last"],
    sentences: ["Leave out the {value} item.", "Write the list without its {value} word.", "Drop the {value} one and give the rest.", "Remove the {value} item.", "Return all entries but the {value}.", "Output the list minus its {value} element."],
    apply: (items, value) => (value === "first" ? items.slice(1) : items.slice(0, -1)).join(" "),
  },
}; // biome-ignore format: sentences in a row

/** A function of a list of three to five words. */
export function listFunction(rng: Rng): Behaviour {
  const kind = rng.pick(Object.keys(listFunctions));
  const { sentences, apply, values: allowed = [] } = listFunctions[kind]!;
  const value = allowed.length === 0 ? "" : rng.pick(allowed);
  const filled = sentences.map((sentence) => fill(sentence, { value }));
  return {
    kind,
    group: "list",
    key: `${kind} ${value}`,
    wordings: { train: filled.slice(0, -2), test: filled.slice(-2, -1), validation: filled.slice(-1) },
    answer: ({ text }) => apply(words(text), value),
  };
}

export const listInput = (rng: Rng): string =>
  sample(rng, rng.next() < 0.7 ? things : inventedWords, 3 + rng.int(3)).join(" ");
