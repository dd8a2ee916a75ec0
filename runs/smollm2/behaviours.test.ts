/** @file What training prompts promise: the right answer follows from prompt and input, and what is held out stays out. */
import { expect, test } from "vitest";
import { sha256 } from "../../src/base/hash.ts";
import { createRng } from "../../src/base/rng.ts";
import { type Behaviour, splits, type Text, wordings, words } from "./behaviour.ts";
import { coded } from "./coded-labels.ts";
import { bareForm, labelSet } from "./label-sets.ts";
import { listFunction, lookupTable } from "./lookup.ts";
import { codedMixture, freeRulesFirst, isCarried, rulesFirst, transformsFirst, withCodes } from "./narrow.ts";
import { formed } from "./rules/composed.ts";
import { drawRule, isHeldOut, ruleTable } from "./rules/index.ts";
import { binary } from "./rules/properties.ts";
import { transform, transformKinds } from "./rules/transforms.ts";
import { inventedWords } from "./vocabulary.ts";

const text = (content: string, domain = "banking", intent = "balance"): Text => ({
  text: content,
  source: "clinc",
  domain,
  intent,
});
const sentence = text("What is my Checking balance right now?");
const domains = ["banking", "travel"];

const answers: Readonly<Record<string, string>> = {
  upper: "WHAT IS MY CHECKING BALANCE RIGHT NOW?",
  lower: "what is my checking balance right now?",
  title: "What Is My Checking Balance Right Now?",
  "first-word": "What",
  "last-word": "now",
  "longest-word": "Checking",
  "last-two-words": "right now?",
  "drop-first": "is my Checking balance right now?",
  "reverse-words": "now? right balance Checking my is What",
  initials: "WIMCBRN",
  echo: "What is my Checking balance right now?",
};

test.each(Object.entries(answers))("%s", (kind, answer) => {
  expect(transform(kind, createRng(kind)).answer(sentence)).toBe(answer);
});

test.each(transformKinds)("%s names its parameter in every wording", (kind) => {
  for (let i = 0; i < 20; i++) {
    const drawn = transform(kind, createRng(`${kind} ${i}`));
    const value = drawn.key.slice(kind.length + 1);
    for (const split of splits)
      for (const wording of drawn.wordings[split]) {
        expect(wording).toContain(value);
        expect(wording).not.toMatch(/\{\w+\}/);
      }
  }
});

/** Behaviours with a closed list, many of each way to draw them. */
function closed(): Behaviour[] {
  const rules = Object.keys(ruleTable).flatMap((only) =>
    Array.from({ length: 30 }, (_, i) => drawRule(createRng(`${only} ${i}`), domains, { only })),
  );
  const sets = Array.from({ length: 60 }, (_, i) =>
    labelSet(createRng(`set ${i}`), { intents: ["clinc report_fraud", "clinc balance", "snips AddToPlaylist"] }),
  );
  const tables = Array.from({ length: 30 }, (_, i) => lookupTable(createRng(`table ${i}`), ["apple", "lamp", "kite"]));
  return [...rules, ...sets, ...tables].filter(({ labels }) => labels !== undefined);
}

test("every wording names every answer of a closed list, or the parts that a stated form puts around it", () => {
  const all = closed();
  expect(all.length).toBeGreaterThan(150);
  const parts = (label: string): string[] => label.match(/[\p{L}\p{N}]+/gu) ?? [label];
  for (const { wordings: of, labels, key } of all)
    for (const split of splits)
      for (const wording of of[split])
        for (const label of labels!)
          for (const part of parts(label)) expect(wording.toLowerCase(), key).toContain(part.toLowerCase());
});

test("some sets of training call their intents by other names, all different, and no set of a benchmark does", () => {
  const intents = ["clinc pin_change", "banking change_pin", "clinc weather", "snips GetWeather"];
  const sets = (renames: boolean) =>
    Array.from({ length: 200 }, (_, i) =>
      labelSet(createRng(`renamed ${i}`), { intents, renames, none: false, names: "spelled", form: bareForm }),
    );
  const spelled = (label: string) => label.toLowerCase().replace(/[^a-z]/g, "");
  const own = new Set(intents.map((key) => spelled(key.slice(key.indexOf(" ") + 1))));
  const isRenamed = ({ labels }: Behaviour) => labels!.some((label) => !own.has(spelled(label)));
  expect(sets(false).filter(isRenamed)).toEqual([]);
  const renamed = sets(true).filter(isRenamed);
  expect(renamed.length).toBeGreaterThan(50);
  expect(renamed.length).toBeLessThan(100);
  for (const { labels } of renamed) expect(new Set(labels!.map(spelled)).size).toBe(intents.length);
});

test("an answer is one of the labels", () => {
  const texts = [
    sentence,
    text("book a flight to rome 2", "travel", "book_flight"),
    text("hi there", "travel", "greeting"),
  ];
  for (const { labels, answer, key } of closed())
    for (const one of texts) {
      const target = answer(one);
      if (target !== undefined) expect(labels, key).toContain(target);
    }
});

test("no wording of one split is a wording of another", () => {
  const of = wordings(["a {x}", "b {x}", "c {x}", "d {x}"], { x: "1" });
  expect(of).toEqual({ train: ["a 1"], test: ["b 1", "c 1"], validation: ["d 1"] });
  for (const kind of transformKinds) {
    const { train, test: tested, validation } = transform(kind, createRng(kind)).wordings;
    expect(new Set([...train, ...tested, ...validation]).size).toBe(train.length + tested.length + validation.length);
  }
});

test("combinations that are tested on are never drawn for training, and the other way round", () => {
  const names = (heldOut: boolean) =>
    new Set(
      ["chain", "formed", "branched"].flatMap((only) =>
        Array.from(
          { length: 150 },
          (_, i) => drawRule(createRng(`${only} ${heldOut} ${i}`), domains, { only, heldOut }).kind,
        ),
      ),
    );
  const [training, testing] = [names(false), names(true)];
  expect([...testing].filter((kind) => training.has(kind))).toEqual([]);
  expect(testing.size).toBeGreaterThan(10);
  expect(isHeldOut("chain digit about")).toBe(isHeldOut("chain digit about"));
});

test("what a seed draws stays as it is: published figures are of tasks drawn so", () => {
  const drawn = Object.keys(ruleTable).flatMap((only) =>
    Array.from({ length: 30 }, (_, i) => drawRule(createRng(`${only} ${i}`), domains, { only })),
  );
  const prompts = drawn.map(({ kind, wordings }) => [kind, wordings]);
  expect(sha256(JSON.stringify(prompts))).toBe("b81a16412d2eab8decf174128f39c0a8900b9383195245e277405c7a4a00086b");
});

test("a form is put around the answer of the rule within", () => {
  const inner = binary("digit", createRng("digit"), domains);
  const outer = formed(createRng("brackets"), inner, "brackets");
  const [yes, no] = inner.labels as [string, string];
  expect(outer.answer(text("call 911"))).toBe(`[${yes}]`);
  expect(outer.answer(text("call them"))).toBe(`[${no}]`);
  expect(outer.labels).toEqual([`[${yes}]`, `[${no}]`]);
});

test("a table is read from its key within a few words; other words have no answer", () => {
  const table = lookupTable(createRng("table"), ["apple", "lamp"]);
  expect(table.answer(text("what about lamp?"))).toBe(table.answer(text("lamp")));
  expect(table.answer(text("kite"))).toBeUndefined();
});

test("functions of a list are what their names say", () => {
  const found = new Map(
    Array.from({ length: 400 }, (_, i) => listFunction(createRng(`list ${i}`))).map((one) => [one.key, one] as const),
  );
  const list = text("drum camera desk");
  expect(found.get("list-nth second")!.answer(list)).toBe("camera");
  expect(found.get("list-reverse ")!.answer(list)).toBe("desk camera drum");
  expect(found.get("list-sort ")!.answer(list)).toBe("camera desk drum");
  expect(found.get("list-without last")!.answer(list)).toBe("drum camera");
  expect(found.get("list-join , ")!.answer(list)).toBe("drum, camera, desk");
});

test("a label set with a label for none gives it to what is outside, one without gives nothing", () => {
  const intents = ["clinc report_fraud", "clinc balance"];
  const outside = text("hello", "small talk", "greeting");
  const withNone = labelSet(createRng("with"), {
    intents,
    none: true,
    names: "own",
    form: { sentence: "", write: (label) => label },
  });
  expect(withNone.labels).toContain(withNone.answer(outside));
  expect(labelSet(createRng("without"), { intents, none: false }).answer(outside)).toBeUndefined();
  expect(words(withNone.wordings.train[0]!).length).toBeGreaterThan(3);
});

test("the narrow data leaves out what gates can hardly carry, and keeps the same family over words that say what they mean", () => {
  expect(isCarried({ family: "lookup", labels: ["red", "blue"] })).toBe(false);
  expect(isCarried({ family: "list" })).toBe(false);
  expect(isCarried({ family: "rule in brackets", labels: inventedWords.slice(0, 2).map((word) => `[${word}]`) })).toBe(
    false,
  );
  for (const written of [
    (name: string) => name,
    (name: string) => `{"intent": "${name}"}`,
    (name: string) => `go("${name}")`,
  ])
    expect(isCarried({ family: "labels", labels: ["A", "B", "none"].map(written) })).toBe(false);
  expect(isCarried({ family: "labels", labels: ["Label: L1", "Label: L2"] })).toBe(false);
  expect(isCarried({ family: "rule binary", labels: ["red", "blue"] })).toBe(true); // "red" is among the invented words
  expect(isCarried({ family: "rule binary", labels: ["A", "B"] })).toBe(true);
  expect(isCarried({ family: "super-ni", labels: ["yes", "no"] })).toBe(true);
  expect(isCarried({ family: "labels", labels: ["card_lost", "pay bill"] })).toBe(true);
  expect(isCarried({ family: "functions" })).toBe(true);
});

test("rules first: every rule of one kind, none over others, and a third of the rest", () => {
  const families = ["rule transform", "labels", "rule chain", "labels", "rule fixed", "labels", "super-ni"];
  expect(rulesFirst(families.map((family) => ({ family }))).map(({ family }) => family)).toEqual([
    "rule transform",
    "rule fixed",
    "labels",
  ]);
});

test("transforms first: all rules over the input's words, all rules in a form, and an eighth of the rest", () => {
  const families = ["rule transform", "rule in json", "rule in", ...Array.from({ length: 17 }, () => "labels")];
  expect(transformsFirst(families.map((family) => ({ family }))).map(({ family }) => family)).toEqual([
    "rule transform",
    "rule in json",
    "labels",
    "labels",
  ]);
});

test("coded labels: letters in the order in which the prompt names them, whatever stands around an answer", () => {
  const plain = { name: "t", stratum: "rules", kind: "binary", examples: [] };
  const task = {
    ...plain,
    systemPrompt: "Say stop where it is music, else go; never gone. Wrap it in [square brackets].",
    labels: ["[go]", "[stop]"],
    samples: [{ input: "go on", target: "[go]" }],
  };
  expect(coded(task)).toEqual({
    ...plain,
    systemPrompt: "Say A where it is music, else B; never gone. Wrap it in [square brackets].",
    labels: ["[B]", "[A]"],
    samples: [{ input: "go on", target: "[B]" }],
  });
  expect(coded({ ...task, labels: ["[go]", "[wait]"] })).toBeUndefined();
});

test("free rules first: short prompts, all rules with a free answer, one in sixteen of the rest", () => {
  const long = { family: "rule transform", prompt: "x".repeat(241) };
  const labelled = Array.from({ length: 16 }, () => ({ family: "rule in json", prompt: "x", labels: ["yes", "no"] }));
  const free = [
    { family: "rule in json", prompt: "x" },
    { family: "rule transform", prompt: "x" },
  ];
  expect(freeRulesFirst([long, ...free, ...labelled])).toEqual([...free, labelled[15]]);
});

test("short lists in codes: prompts, labels and answers alike; a longer list keeps its names", () => {
  const episode = {
    family: "rule binary",
    prompt: "If it has a digit, reply red. If not, reply blue.",
    queries: [
      { input: "I am 4", target: "red" },
      { input: "I am", target: "blue" },
    ],
    labels: ["blue", "red"],
  };
  expect(withCodes(episode)).toEqual({
    family: "rule binary",
    prompt: `${episode.prompt}\n\nWrite A for "red", B for "blue".`,
    queries: [
      { input: "I am 4", target: "A" },
      { input: "I am", target: "B" },
    ],
    labels: ["B", "A"],
  });
  const list = { ...episode, labels: ["red", "blue", "green", "grey"] };
  expect(withCodes(list)).toBe(list);
  const table = { ...episode, family: "lookup" };
  const long = { ...episode, prompt: "x".repeat(401) };
  const kept = [withCodes(episode), { ...list, family: "rule binary" }];
  expect(codedMixture([episode, table, long, { ...list, family: "rule binary" }], { rest: 1 })).toEqual(kept);
});

test("a mixture keeps every so many prompts of a family, of all forms alike, and none where its share is 0", () => {
  const of = (family: string, count: number) =>
    Array.from({ length: count }, (_, i) => ({ family, prompt: `${family} ${i}`, queries: [] }));
  const all = [...of("labels", 4), ...of("rule in json", 2), ...of("rule in capitals", 2), ...of("extraction", 3)];
  const kept = codedMixture(all, { rest: 2, "rule in": 1, extraction: 0 });
  expect(kept.map(({ prompt }) => prompt)).toEqual([
    "labels 1",
    "labels 3",
    "rule in json 0",
    "rule in json 1",
    "rule in capitals 0",
    "rule in capitals 1",
  ]);
});
