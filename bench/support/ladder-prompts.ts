/** @file Prompts whose answers a program knows: rules like those of the shipped pair's training, and tasks far from all of it. */

import { transform, transformKinds } from "../../runs/smollm2/rules/transforms.ts";
import { answersOf } from "../../runs/smollm2/task-set.ts";
import { readTexts } from "../../runs/smollm2/texts.ts";
import { AppError } from "../../src/base/errors.ts";
import { createRng, type Rng } from "../../src/base/rng.ts";
import type { Example } from "../../src/text/prompt.ts";

export type LadderPrompt = {
  readonly name: string;
  readonly kind: "good" | "far";
  readonly prompt: string;
  /** Different inputs with their answers, in a drawn order. */
  readonly examples: readonly Example[];
};

const digits = (value: number): string[] => [...String(value)];
const roman = (value: number): string =>
  (
    [
      ["XC", 90],
      ["L", 50],
      ["XL", 40],
      ["X", 10],
      ["IX", 9],
      ["V", 5],
      ["IV", 4],
      ["I", 1],
    ] as const
  ).reduce(
    ({ text, left }, [sign, worth]) => ({
      text: text + sign.repeat(Math.floor(left / worth)),
      left: left % worth,
    }),
    { text: "", left: value },
  ).text;

type Far = {
  readonly prompt: string;
  readonly draw: (rng: Rng) => Example;
};

const number = (rng: Rng, most: number): number => 1 + rng.int(most);

/** Arithmetic, notations and orders, spoken to in other ways than the training does. */
const farTasks: Readonly<Record<string, Far>> = {
  till: {
    prompt: "You are the till of a bakery. A customer puts two prices in cents before you. Tell the sum, in digits.",
    draw(rng) {
      const [a, b] = [number(rng, 900), number(rng, 900)];
      return { input: `${a} and ${b}`, target: String(a + b) };
    },
  },
  change: {
    prompt: "Subtract as a cash desk would: the second amount from the first. The difference is all you may print.",
    draw(rng) {
      const [a, b] = [number(rng, 500), number(rng, 500)];
      return { input: `${a + b} minus ${a}`, target: String(b) };
    },
  },
  larger: {
    prompt: "Two numbers compete. Declare the winner, which is the larger one, and print it as it was written.",
    draw(rng) {
      const [a, b] = [number(rng, 9000), number(rng, 9000)];
      return { input: `${a} against ${b + Number(a === b)}`, target: String(Math.max(a, b + Number(a === b))) };
    },
  },
  mirror: {
    prompt: "Hold each number before a mirror: its digits appear from right to left. Print what the mirror shows.",
    draw(rng) {
      const value = 1000 + rng.int(9000);
      return { input: String(value), target: digits(value).reverse().join("") };
    },
  },
  dust: {
    prompt:
      "Old inscriptions give a year of a reign and a month in Roman numerals. Add both, and carve the sum in digits.",
    draw(rng) {
      const [a, b] = [number(rng, 89), number(rng, 12)];
      return { input: `${roman(a)} ${roman(b)}`, target: String(a + b) };
    },
  },
  parity: {
    prompt: "Sort house numbers by the side of the street they are on. Answer odd or even.",
    draw(rng) {
      const value = number(rng, 9000);
      return { input: `number ${value}`, target: value % 2 === 0 ? "even" : "odd" };
    },
  },
  clock: {
    prompt: "A night watchman's clock shows minutes since midnight. Turn them into hours and minutes, as in 01:05.",
    draw(rng) {
      const value = rng.int(1440);
      const two = (part: number) => String(part).padStart(2, "0");
      return { input: `${value} minutes`, target: `${two(Math.floor(value / 60))}:${two(value % 60)}` };
    },
  },
  ladder: {
    prompt:
      "Four rungs of a ladder lie in disorder, each with its height. Put them in order from the lowest, with blanks between.",
    draw(rng) {
      const values = Array.from({ length: 4 }, () => number(rng, 99));
      return { input: values.join(" "), target: values.toSorted((a, b) => a - b).join(" ") };
    },
  },
  bits: {
    prompt:
      "def f(n): return bin(n)[2:]\nEvaluate f for the argument that follows. Print the return value without quotes.",
    draw(rng) {
      const value = number(rng, 2000);
      return { input: String(value), target: value.toString(2) };
    },
  },
  metres: {
    prompt: "Convertissez les kilomètres en mètres. Écrivez le nombre seul, sans unité.",
    draw(rng) {
      const value = number(rng, 20_000);
      return { input: `${value / 10} km`, target: String(value * 100) };
    },
  },
};

/** Draws until there are so many different inputs. */
function distinct(rng: Rng, draw: Far["draw"], count: number): Example[] {
  const found = new Map<string, Example>();
  for (let tries = 0; found.size < count && tries < 100 * count; tries++) {
    const example = draw(rng);
    if (!found.has(example.input)) found.set(example.input, example);
  }
  return [...found.values()];
}

/**
 * So many of each kind, with so many examples each. `data`: the folder of data sets.
 * @throws E_USAGE where there are fewer
 */
export async function ladderPrompts(data: string, each: number, inputs: number): Promise<LadderPrompt[]> {
  const rng = createRng("ladder");
  const { texts } = await readTexts(data, "validation");
  const good = rng.shuffle([...transformKinds]).flatMap((kind): LadderPrompt[] => {
    const behaviour = transform(kind, rng.split(kind));
    const examples = answersOf(rng.split(`${kind} inputs`).shuffle([...texts]), behaviour).slice(0, inputs);
    if (examples.length < inputs) return []; // too few of its kind among the texts
    const prompt = behaviour.wordings.validation[0]!;
    return [
      { name: behaviour.key, kind: "good", prompt, examples: examples.map(({ input, target }) => ({ input, target })) },
    ];
  });
  const far = Object.entries(farTasks).map(
    ([name, { prompt, draw }]): LadderPrompt => ({
      name,
      kind: "far",
      prompt,
      examples: distinct(rng.split(name), draw, inputs),
    }),
  );
  for (const [kind, found] of Object.entries({ good, far }))
    if (found.length < each)
      throw new AppError(
        "E_USAGE",
        `--each: expected ${found.length} or fewer (${kind} prompts with ${inputs} inputs), found ${each}`,
      );
  const short = far.slice(0, each).find(({ examples }) => examples.length < inputs);
  if (short !== undefined)
    throw new AppError(
      "E_USAGE",
      `--inputs, --refine, --unseen: expected ${short.examples.length} or fewer together, which ${short.name} has, found ${inputs}`,
    );
  return [...good.slice(0, each), ...far.slice(0, each)];
}
