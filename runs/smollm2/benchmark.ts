/**
 * @file Writes the benchmark:
 *   npx tsx runs/smollm2/benchmark.ts [DATA = ../shared/data] [OUT = work/smollm2/benchmark]
 * writes test.jsonl (kinds that were trained on, and three strata that were held out), validation.jsonl (smaller, to choose by),
 * validation-rules.jsonl (33 more rules to choose by), test-extraction.jsonl and validation-extraction.jsonl (details copied out of
 * messages, in tests of a data set that no training prompt has too). Beside each stand, for rivals that learn from them, training examples of
 * every label (NAME-examples.jsonl), and training inputs with the answers of tasks that have any (NAME-training.jsonl).
 */
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writeFileAtomic } from "../../src/base/atomic-file.ts";
import { checkSchema } from "../../src/base/json.ts";
import { createRng, type Rng } from "../../src/base/rng.ts";
import { readRestaurant } from "../sources/restaurant8k.ts";
import { type Behaviour, bySplit, fill, type Split, sample, type Text } from "./behaviour.ts";
import { readHeldOutMessages, readMessages } from "./extraction.ts";
import { extractionTasks } from "./extraction-tasks.ts";
import {
  callStyles,
  type FunctionSource,
  functionSet,
  otherServices,
  readFunctions,
  usableServices,
} from "./functions.ts";
import { heldOutServices } from "./held-out.ts";
import { type Instruction, instruct, readInstructions } from "./instructions.ts";
import { bareForm, drawLabelSet, type LabelSetOptions, labelSet } from "./label-sets.ts";
import { listFunction, listInput, lookupTable, tableInput } from "./lookup.ts";
import { drawRule } from "./rules/index.ts";
import { type SuiteTask, shotsOf, spread, suiteTask, type TaskParts } from "./task-set.ts";
import { readTexts, type TextPool } from "./texts.ts";
import { things } from "./vocabulary.ts";

const [data = "../shared/data", out = "work/smollm2/benchmark"] = process.argv.slice(2);

type Part = Omit<TaskParts, "split" | "texts" | "shown" | "count">;

/** Draws until a task comes out. */
function drawn(rng: Rng, make: (rng: Rng) => SuiteTask | undefined): SuiteTask {
  for (let i = 0; i < 200; i++) {
    const task = make(rng.split(`try-${i}`));
    if (task !== undefined) return task;
  }
  throw new Error("no task came out of 200 draws: too few inputs, or no sibling that answers differently");
}

const within = (pool: TextPool, domain: string): string[] => [
  ...new Set(pool.byDomain.get(domain)!.map(({ source, intent }) => `${source} ${intent}`)),
];

type Bench = { readonly split: Split; readonly pool: TextPool; readonly shown: TextPool; readonly count: number };

/** Rules with wordings of the split; of those with several parts combinations that no training prompt has, in tests. */
function ruleTasks(
  seed: string,
  { split, pool, shown, count }: Bench,
  wanted: Readonly<Record<string, number>>,
): SuiteTask[] {
  const kinds = new Set<string>();
  return Object.entries(wanted).flatMap(([part, tasks]) =>
    Array.from({ length: tasks }, (_, i) =>
      drawn(createRng(`${seed} ${part} ${i}`), (rng) => {
        const domains = sample(rng, [...pool.byDomain.keys()], 3);
        const texts = domains.flatMap((domain) => sample(rng, pool.byDomain.get(domain)!, 120));
        const draw = () => drawRule(rng, domains, { heldOut: split === "test", only: part });
        // There is one way to count words: its siblings are rules that read words off.
        const sibling = part === "count" ? () => drawRule(rng, domains, { only: "transform" }) : draw;
        const behaviour = draw();
        if (kinds.has(behaviour.kind)) return undefined;
        const task = suiteTask(rng, {
          name: `rule-${part}-${i + 1}`,
          stratum: "rules",
          kind: behaviour.group,
          split,
          behaviour,
          sibling,
          texts,
          shown: shown.texts,
          count,
        });
        if (task !== undefined) kinds.add(behaviour.kind);
        return task;
      }),
    ),
  );
}

function labelTask(
  seed: string,
  bench: Bench,
  name: string,
  stratum: SuiteTask["stratum"],
  own: LabelSetOptions,
  other: LabelSetOptions,
): SuiteTask {
  const { split, pool, shown, count } = bench;
  return drawn(createRng(`${seed} ${name}`), (rng) => {
    const behaviour = labelSet(rng, { form: bareForm, none: false, ...own });
    const texts = pool.texts.filter(({ source, intent }) => own.intents.includes(`${source} ${intent}`));
    const examples = shown.texts.filter(({ source, intent }) => own.intents.includes(`${source} ${intent}`));
    return suiteTask(rng, {
      name,
      stratum,
      kind: "labels",
      split,
      behaviour,
      sibling: () => labelSet(rng, { form: bareForm, none: false, ...other }),
      texts,
      shown: examples,
      count,
    });
  });
}

const Others = z.object({ labels: z.array(z.string()).min(1), functions: z.array(z.string()).min(1) });
const others = checkSchema(
  JSON.parse(readFileSync(new URL("wordings-by-others.json", import.meta.url), "utf8")),
  Others,
  { what: "wordings-by-others.json" },
);

/** The same inputs under a prompt that somebody else wrote, who had seen none of ours. */
function byOthers(task: SuiteTask, i: number): SuiteTask {
  const { labels, systemPrompt } = task;
  const twin = { ...task, name: `${task.name}-by-others`, stratum: "by-others" } as const;
  if (labels !== undefined)
    return { ...twin, systemPrompt: fill(others.labels[i % others.labels.length]!, { labels: labels.join(", ") }) };
  const functions = systemPrompt.slice(systemPrompt.indexOf("Functions:\n") + 11, systemPrompt.lastIndexOf("\n"));
  const wording = others.functions[i % others.functions.length]!;
  return { ...twin, systemPrompt: fill(wording, { functions, format: callStyles[0]!.sentence }) };
}

const titled = (domain: string): string => domain.replace(/[^a-z]+/g, "-");

/** Kinds that training has: the intents of a data set or of one of its areas, all in one list. */
function seenLabelTasks(bench: Bench): SuiteTask[] {
  const { pool } = bench;
  const clinc = [...pool.byDomain].filter(([, texts]) => texts[0]!.source === "clinc").map(([domain]) => domain);
  const all = (source: string) => [...pool.byIntent.keys()].filter((key) => key.startsWith(`${source} `));
  return [
    ...clinc.map((domain, i) =>
      labelTask(
        "seen",
        bench,
        `clinc-${titled(domain)}`,
        "seen",
        { intents: within(pool, domain), names: "own" },
        { intents: within(pool, clinc[(i + 1) % clinc.length]!), names: "own" },
      ),
    ),
    labelTask(
      "seen",
      bench,
      "banking77",
      "seen",
      { intents: all("banking"), names: "own" },
      { intents: within(pool, clinc[0]!), names: "own" },
    ),
    labelTask(
      "seen",
      bench,
      "snips",
      "seen",
      { intents: all("snips"), names: "own" },
      { intents: within(pool, clinc[1]!), names: "own" },
    ),
  ];
}

/** Intents that no training prompt lists: of held-out areas, under their own names, other spellings and codes. */
function unseenLabelTasks(bench: Bench): SuiteTask[] {
  const { pool } = bench;
  const [first, second] = [...pool.byDomain.keys()] as [string, string];
  const both = [...pool.byIntent.keys()];
  const pairs = [
    [first, second],
    [second, first],
  ] as const;
  return [
    ...pairs.flatMap(([domain, other]) =>
      (["own", "spelled", "codes"] as const).map((names) =>
        labelTask(
          "labels",
          bench,
          `${titled(domain)}-${names}`,
          "labels",
          { intents: within(pool, domain), names },
          { intents: within(pool, other), names },
        ),
      ),
    ),
    labelTask(
      "labels",
      bench,
      "travel-and-work",
      "labels",
      { intents: both, names: "own" },
      { intents: sample(createRng("sibling"), both, 15), names: "codes" },
    ),
    labelTask(
      "labels",
      bench,
      "mixed-eight",
      "labels",
      { intents: sample(createRng("mixed eight"), both, 8), names: "spelled" },
      { intents: sample(createRng("other eight"), both, 8), names: "spelled" },
    ),
  ];
}

/** Which detail a guest gives of a booking: a label set that no training prompt has. */
async function bookingTask(seed: string, { count }: Bench): Promise<SuiteTask> {
  const names: Readonly<Record<string, string>> = {
    people: "number of guests",
    time: "time",
    date: "date",
    first_name: "name",
  };
  const read = async (part: "train" | "test") =>
    (await readRestaurant(data, part)).flatMap(({ text, slots }): Text[] => {
      const found = slots.map(({ slot }) => slot).filter((slot) => slot !== "last_name");
      return found.length === 1 ? [{ text, source: "booking", domain: "", intent: names[found[0]!]! }] : [];
    });
  const labels = Object.values(names);
  const make = (codes: readonly string[], meaning: readonly string[]): Behaviour => ({
    kind: "booking",
    group: "labels",
    key: codes.join(),
    wordings: bySplit(() => [
      `A guest answers a question about a table booking. Say which detail the message gives. ${meaning.map((one, i) => `${codes[i]}: ${one}`).join("; ")}.`,
    ]),
    answer: ({ intent }) => codes[meaning.indexOf(intent)],
    labels: codes,
  });
  const codes = ["K1", "K2", "K3", "K4"];
  const rng = createRng(`${seed} booking`);
  const turned = [...labels.slice(1), labels[0]!];
  return suiteTask(rng, {
    name: "booking-detail",
    stratum: "labels",
    kind: "labels",
    split: "test",
    behaviour: make(codes, labels),
    sibling: () => make(codes, turned),
    texts: await read("test"),
    shown: await read("train"),
    count,
  })!;
}

/** Function calls: the name among those listed, or the whole call. */
function functionTasks(
  source: FunctionSource,
  shown: FunctionSource,
  { split, count }: Bench,
  stratum: SuiteTask["stratum"],
  wanted: readonly string[],
  others: FunctionSource,
): SuiteTask[] {
  return wanted.flatMap((service): SuiteTask[] => {
    const rng = createRng(`functions ${split} ${service}`);
    const pool = otherServices(rng, others, service, 3);
    const everything = { ...source, services: new Map([...source.services, ...others.services]) };
    const set = functionSet(rng, everything, service, pool.slice(0, 2), callStyles[0]);
    const sibling = functionSet(rng, everything, pool[2]!, pool.slice(0, 1), callStyles[0]);
    const requests = source.requests.get(service) ?? [];
    const examples = (shown.requests.get(service) ?? []).slice(0, 5);
    if (requests.length < 15) return [];
    const common = { stratum, kind: "functions", siblingPrompt: rng.pick(sibling.wordings[split]) } as const;
    const prompt = rng.pick(set.wordings[split]);
    const nameOnly = prompt.replace(callStyles[0]!.sentence, "Answer with the name of the function alone.");
    const name = `call-${service.toLowerCase().replace("_", "-")}`;
    const pairs = (target: (request: (typeof requests)[number]) => string, list: typeof requests) =>
      list.map((request) => ({ input: request.text, target: target(request) }));
    const whole: SuiteTask = {
      ...common,
      name,
      systemPrompt: prompt,
      scorers: ["function-call", "function-name"],
      examples: pairs(set.answer, examples),
      samples: sample(rng, pairs(set.answer, requests), count),
    };
    if (stratum === "seen") return [whole];
    return [
      {
        ...common,
        name: `${name}-name`,
        systemPrompt: nameOnly,
        labels: set.names,
        examples: pairs(set.nameOf, examples),
        shots: shotsOf(rng.split("shots"), pairs(set.nameOf, shown.requests.get(service) ?? []), set.names),
        samples: spread(rng, pairs(set.nameOf, requests), count),
      },
      whole,
    ];
  });
}

/** Super-NI tasks with few answers, all named; the sibling is the same task under other descriptions with its answers renamed. */
function instructionTasks(
  tasks: readonly Instruction[],
  { split, count }: Bench,
  stratum: SuiteTask["stratum"],
): SuiteTask[] {
  return tasks.flatMap((task): SuiteTask[] => {
    const { labels, rows, name } = task;
    if (labels === undefined || labels.length < 2) return [];
    const rng = createRng(`instruction ${split} ${name}`);
    const other = rng.pick(
      tasks.filter((one) => one.labels !== undefined && one.name !== name && one.labels.join() !== labels.join()),
    );
    // Tasks that no training prompt has keep some of their own rows to show; the others show train rows.
    const shuffled = sample(rng, rows[split], rows[split].length);
    const areHeldOut = rows.train.length === rows[split].length;
    const shots = spread(rng, areHeldOut ? shuffled.slice(0, 25) : sample(rng, rows.train, 25), 5);
    const asked = areHeldOut ? shuffled.slice(25) : shuffled;
    return [
      {
        name: name.replace(/_/g, "-"),
        stratum,
        kind: "instructions",
        systemPrompt: instruct(rng, task).wordings[split][0]!,
        siblingPrompt: instruct(rng, other).wordings[split][0]!,
        labels,
        examples: shots,
        shots: shotsOf(rng.split("shots"), areHeldOut ? shuffled.slice(0, 25) : rows.train, labels),
        samples: spread(rng, asked, count),
      },
    ];
  });
}

/** Tables that no training prompt has, and functions over lists in wordings that none has; the functions themselves are trained. */
function syntheticTasks({ split, count }: Bench, tables: number, lists: number): SuiteTask[] {
  const plain = (text: string): Text => ({ text, source: "synthetic", domain: "", intent: "" });
  const table = (i: number) =>
    drawn(createRng(`table ${split} ${i}`), (rng) => {
      const keys = sample(rng, things, 4 + (i % 3));
      const texts = [...new Set(Array.from({ length: 200 }, () => tableInput(rng, rng.pick(keys))))].map(plain);
      const part: Part = {
        name: `table-${i + 1}`,
        stratum: "synthetic",
        kind: "lookup",
        behaviour: lookupTable(rng, keys),
        sibling: () => lookupTable(rng, keys),
      };
      return suiteTask(rng, { ...part, split, texts, shown: texts, count });
    });
  const kinds = new Set<string>();
  const list = (i: number) =>
    drawn(createRng(`list ${split} ${i}`), (rng) => {
      const texts = Array.from({ length: 200 }, () => plain(listInput(rng)));
      const behaviour = listFunction(rng);
      if (kinds.has(behaviour.key)) return undefined;
      kinds.add(behaviour.key);
      return suiteTask(rng, {
        name: `list-${i + 1}`,
        stratum: "synthetic",
        kind: "list",
        behaviour,
        sibling: () => listFunction(rng),
        split,
        texts,
        shown: texts,
        count,
      });
    });
  return [...Array.from({ length: tables }, (_, i) => table(i)), ...Array.from({ length: lists }, (_, i) => list(i))];
}

async function write(name: string, suite: readonly SuiteTask[]): Promise<void> {
  const path = join(out, `${name}.jsonl`);
  const tasks = suite.map(({ shots: _, training: __, ...task }) => task);
  const shots = suite.flatMap(({ name, shots, samples }) => {
    if (shots === undefined) return [];
    const asked = new Set(samples.map(({ input }) => input));
    return [{ name, examples: shots.filter(({ input }) => !asked.has(input)) }];
  });
  const training = suite.flatMap(({ name, training: pairs }) => (pairs === undefined ? [] : [{ name, pairs }]));
  const files = { [name]: tasks, [`${name}-examples`]: shots, [`${name}-training`]: training };
  for (const [file, lines] of Object.entries(files))
    await writeFileAtomic(join(out, `${file}.jsonl`), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const counts: Record<string, number> = {};
  for (const { stratum } of tasks) counts[stratum] = (counts[stratum] ?? 0) + 1;
  console.log(path, tasks.length, counts);
}

await mkdir(out, { recursive: true });
const [shown, pool, held, shownHeld] = await Promise.all([
  readTexts(data, "train"),
  readTexts(data, "test"),
  readTexts(data, "test", { held: true }),
  readTexts(data, "train", { held: true }),
]);
const [functions, shownFunctions] = await Promise.all([readFunctions(data, "test"), readFunctions(data, "train")]);
const unseenTrain = await readFunctions(data, "train", { held: true });
const unseenTest = await readFunctions(data, "test", { held: true });
const unseen: FunctionSource = {
  services: unseenTest.services,
  requests: new Map(
    [...unseenTrain.requests].map(([name, list]) => [name, [...(unseenTest.requests.get(name) ?? []), ...list]]),
  ),
};
const test: Bench = { split: "test", pool, shown, count: 50 };
const heldBench: Bench = { ...test, pool: held, shown: shownHeld };
const seenServices = usableServices(functions, 40).slice(0, 6);
const unseenServices = usableServices(unseen, 40).filter((name) =>
  heldOutServices.some((service) => name.startsWith(service)),
);
const seen = [
  ...seenLabelTasks(test),
  ...functionTasks(functions, shownFunctions, test, "seen", seenServices, shownFunctions),
];
await write("test", [
  ...seen,
  ...seen.map(byOthers),
  ...ruleTasks("test rules", test, {
    transform: 5,
    count: 1,
    binary: 3,
    length: 1,
    refusal: 1,
    chain: 3,
    formed: 4,
    branched: 3,
  }),
  ...unseenLabelTasks(heldBench),
  await bookingTask("test", test),
  ...instructionTasks(await readInstructions(data, "topics"), test, "labels"),
  ...functionTasks(unseen, unseen, test, "labels", unseenServices.slice(0, 4), shownFunctions),
  ...instructionTasks(await readInstructions(data, "official-test"), test, "super-ni"),
  ...syntheticTasks(test, 6, 4),
]);

const validationPool = await readTexts(data, "validation");
const validation: Bench = { split: "validation", pool: validationPool, shown, count: 24 };
const mixed = (i: number): SuiteTask =>
  drawn(createRng(`validation labels ${i}`), (rng) => {
    const texts = sample(rng, [...validationPool.byDomain.keys()], 2).flatMap((domain) =>
      sample(rng, validationPool.byDomain.get(domain)!, 60),
    );
    const behaviour = drawLabelSet(rng, validationPool, texts, { none: false });
    return suiteTask(rng, {
      name: `labels-${i + 1}`,
      stratum: "labels",
      kind: "labels",
      split: "validation",
      behaviour,
      sibling: () => drawLabelSet(rng, validationPool, texts, { none: false }),
      texts,
      shown: texts,
      count: 24,
    });
  });
const validationFunctions = await readFunctions(data, "validation");
const closed = (await readInstructions(data, "train")).filter(({ labels }) => labels !== undefined);
await write("validation", [
  ...ruleTasks("validation rules", validation, { transform: 3, count: 1, binary: 3, chain: 1, formed: 2, branched: 2 }),
  ...Array.from({ length: 6 }, (_, i) => mixed(i)),
  ...instructionTasks(
    sample(createRng("validation instructions"), closed, 12),
    { ...validation, count: 20 },
    "super-ni",
  ).slice(0, 5),
  ...functionTasks(
    validationFunctions,
    shownFunctions,
    validation,
    "seen",
    usableServices(validationFunctions, 30).slice(0, 2),
    shownFunctions,
  ),
  ...syntheticTasks(validation, 3, 2),
]);
await write(
  "validation-rules",
  ruleTasks("more validation rules", validation, {
    transform: 12,
    count: 1,
    binary: 5,
    length: 1,
    refusal: 1,
    chain: 2,
    formed: 7,
    branched: 4,
  }),
);

await write("test-extraction", [
  ...extractionTasks("test", await readMessages(data, "test"), { tasks: 8, count: 50 }),
  ...extractionTasks("test", await readHeldOutMessages(data), { tasks: 4, count: 50 }),
]);
await write(
  "validation-extraction",
  extractionTasks("validation", await readMessages(data, "validation"), { tasks: 8, count: 24 }),
);
