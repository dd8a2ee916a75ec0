/** @file The training mixture as episodes: in groups of four, most of which share their inputs and differ in their prompts. */
import type { Rng } from "../../src/base/rng.ts";
import type { Episode } from "../../src/data/episode.ts";
import { type Behaviour, type Split, sample, type Text } from "./behaviour.ts";
import { drawStyle, type LongTexts, type Pair, type Style, systemPrompt } from "./dressing.ts";
import { extraction, type Message } from "./extraction.ts";
import { type FunctionSource, functionSet, otherServices, usableServices } from "./functions.ts";
import { type Instruction, instruct } from "./instructions.ts";
import { drawLabelSet } from "./label-sets.ts";
import { listFunction, listInput, lookupTable, tableInput, tableKeys } from "./lookup.ts";
import { drawRule } from "./rules/index.ts";
import type { TextPool } from "./texts.ts";

export type Sources = {
  readonly split: Split;
  readonly pool: TextPool;
  readonly functions: FunctionSource;
  readonly instructions: readonly Instruction[];
  readonly long: LongTexts;
};

/** Prompts of one group. A batch holds whole groups. */
export const groupSize = 4;

const queriesPerPrompt = 7;
const examplesPerPrompt = 5;
/** Texts that the prompts of a group choose their inputs from. */
const textsPerGroup = 40;

/** Queries with as even answers as the inputs allow, and other pairs as examples; undefined where there are too few. */
function choose(rng: Rng, pairs: readonly Pair[]): { readonly queries: Pair[]; readonly examples: Pair[] } | undefined {
  const byAnswer = new Map<string, Pair[]>();
  for (const pair of rng.shuffle([...pairs])) {
    const list = byAnswer.get(pair.target);
    if (list === undefined) byAnswer.set(pair.target, [pair]);
    else list.push(pair);
  }
  const lists = [...byAnswer.values()];
  const chosen: Pair[] = [];
  for (let round = 0; chosen.length < queriesPerPrompt + examplesPerPrompt; round++) {
    const left = lists.filter((list) => list.length > round);
    if (left.length === 0) break;
    chosen.push(...left.map((list) => list[round]!));
  }
  if (chosen.length < 4) return undefined;
  const cut = rng.shuffle(chosen.slice(0, queriesPerPrompt + examplesPerPrompt));
  const queries = cut.slice(0, Math.max(3, Math.min(queriesPerPrompt, cut.length - examplesPerPrompt)));
  return { queries, examples: cut.slice(queries.length, queries.length + examplesPerPrompt) };
}

type Drawn = {
  readonly family: string;
  readonly descriptions: readonly string[];
  readonly pairs: readonly Pair[];
  readonly labels?: readonly string[] | undefined;
};

function episode(
  rng: Rng,
  { long }: Pick<Sources, "long">,
  { family, descriptions, pairs, labels }: Drawn,
): Episode | undefined {
  const chosen = choose(rng, pairs);
  if (chosen === undefined) return undefined;
  const wanted: Style = drawStyle(rng);
  const style = chosen.examples.length < 3 && wanted.includes("examples") ? "description" : wanted;
  return {
    family,
    prompt: systemPrompt(rng, rng.pick(descriptions), style, chosen.examples, long),
    queries: chosen.queries,
    ...(labels === undefined ? {} : { labels: [...labels] }),
  };
}

const pairsOf = (texts: readonly Text[], { answer }: Behaviour): Pair[] =>
  texts.flatMap((text) => {
    const target = answer(text);
    return target === undefined || target === "" ? [] : [{ input: text.text, target }];
  });

/** Texts of one to three areas, so that label sets over them are neither trivial nor strange. */
function groupTexts(rng: Rng, pool: TextPool): { readonly texts: Text[]; readonly domains: string[] } {
  const domains = sample(rng, [...pool.byDomain.keys()], 1 + rng.int(3));
  const texts = domains.flatMap((domain) =>
    sample(rng, pool.byDomain.get(domain)!, Math.ceil(textsPerGroup / domains.length)),
  );
  return { texts, domains };
}

type DrawGroup = (rng: Rng, sources: Sources) => Drawn[];

/** Four prompts over the same messages: rules and label sets. */
const overTexts: DrawGroup = (rng, { pool, split }) => {
  const { texts, domains } = groupTexts(rng, pool);
  const topics = [...domains, ...sample(rng, [...pool.byDomain.keys()], 1)];
  return Array.from({ length: groupSize }, () => {
    const isLabels = rng.next() < 0.42;
    const behaviour = isLabels ? drawLabelSet(rng, pool, texts, { renames: true }) : drawRule(rng, topics);
    return {
      family: isLabels ? "labels" : `rule ${behaviour.group}`,
      descriptions: behaviour.wordings[split],
      pairs: pairsOf(texts, behaviour),
      labels: behaviour.labels,
    };
  });
};

/** Four tables over the same keys, or four functions over the same lists. */
const synthetic: DrawGroup = (rng, { split }) => {
  const isTable = rng.next() < 0.65;
  const keys = tableKeys(rng);
  const inputs = Array.from({ length: 24 }, (_, i) =>
    isTable ? tableInput(rng, keys[i % keys.length]!) : listInput(rng),
  );
  const texts = [...new Set(inputs)].map((text) => ({ text, source: "synthetic", domain: "", intent: "" }));
  return Array.from({ length: groupSize }, () => {
    const behaviour = isTable ? lookupTable(rng, keys) : listFunction(rng);
    return {
      family: behaviour.group,
      descriptions: behaviour.wordings[split],
      pairs: pairsOf(texts, behaviour),
      labels: behaviour.labels,
    };
  });
};

/** Requests of one service under four sets of functions; one of the four may ask for the function's name alone. */
const functionCalls: DrawGroup = (rng, { functions, split }) => {
  const service = rng.pick(usableServices(functions));
  const requests = sample(rng, functions.requests.get(service)!, 16);
  return Array.from({ length: groupSize }, () => {
    const set = functionSet(rng, functions, service, otherServices(rng, functions, service, rng.int(3)));
    return {
      family: "functions",
      descriptions: set.wordings[split],
      pairs: requests.map((request) => ({ input: request.text, target: set.answer(request) })),
    };
  });
};

/** Two tasks of Super-NI, each twice over the same inputs: as they are, and with other names for their answers or another rule. */
const instructed: DrawGroup = (rng, { instructions, pool, split }) =>
  Array.from({ length: groupSize / 2 }, () => {
    const task = rng.pick(instructions);
    const rows = sample(rng, task.rows[split], 24);
    const first = instruct(rng, task, { renamed: task.labels !== undefined && rng.next() < 0.3 });
    const under = ({ wordings, answer, labels }: ReturnType<typeof instruct>): Drawn => ({
      family: "super-ni",
      descriptions: wordings[split],
      pairs: rows.map(({ input, target }) => ({ input, target: answer(target) })),
      labels,
    });
    if (task.labels !== undefined && rng.next() < 0.7)
      return [under(first), under(instruct(rng, task, { renamed: true }))];
    const texts = rows
      .map(({ input }) => ({ text: input, source: "super-ni", domain: "", intent: "" }))
      .filter(({ text }) => text.length < 160);
    const rule = drawRule(rng, [...pool.byDomain.keys()], {
      only: rng.pick(["transform", "binary", "count", "fixed"]),
    });
    const other: Drawn = {
      family: `rule ${rule.group}`,
      descriptions: rule.wordings[split],
      pairs: pairsOf(texts, rule),
      labels: rule.labels,
    };
    return [
      under(first),
      other.pairs.length >= 12 && !rule.key.startsWith("about") ? other : under(instruct(rng, task)),
    ];
  }).flat();

const mixture: readonly (readonly [number, DrawGroup])[] = [
  [0.52, overTexts],
  [0.24, instructed],
  [0.12, synthetic],
  [0.12, functionCalls],
];

function pickWeighted(rng: Rng): DrawGroup {
  let place = rng.next();
  for (const [share, draw] of mixture) {
    place -= share;
    if (place < 0) return draw;
  }
  return mixture[0]![1];
}

/** One group of `groupSize` episodes, drawn again where a prompt has too few inputs. */
export function drawEpisodes(rng: Rng, sources: Sources): Episode[] {
  for (;;) {
    const episodes = pickWeighted(rng)(rng, sources).map((drawn) => episode(rng, sources, drawn));
    if (episodes.every((one) => one !== undefined)) return episodes;
  }
}

const leastMessages = 30;
/** Messages that examples in prompts are taken from. */
const shownInPrompts = 12;

/** Four prompts that want other details of the same messages, or the same under other names and in another form. */
export function drawExtractions(
  rng: Rng,
  sources: Pick<Sources, "split" | "long">,
  messages: ReadonlyMap<string, readonly Message[]>,
): Episode[] {
  const usable = [...messages.values()].filter((list) => list.length >= leastMessages);
  for (;;) {
    const drawn = sample(rng, rng.pick(usable), textsPerGroup + shownInPrompts);
    const [shown, asked] = [drawn.slice(0, shownInPrompts), drawn.slice(shownInPrompts)];
    const behaviours = Array.from({ length: groupSize }, () => extraction(rng, asked, shown));
    const episodes = behaviours.map((behaviour) =>
      behaviour === undefined
        ? undefined
        : episode(rng, sources, {
            family: "extraction",
            descriptions: behaviour.wordings[sources.split],
            pairs: pairsOf(asked, behaviour),
          }),
    );
    if (episodes.every((one) => one !== undefined)) return episodes;
  }
}
