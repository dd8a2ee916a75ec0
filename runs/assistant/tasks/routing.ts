/** @file Routing: the intent or the domain of a message, in three output formats. */

import type { Sample, TaskFamily } from "../../../src/data/task.ts";
import { readBanking } from "../../sources/banking77.ts";
import { type ClincRow, readClinc } from "../../sources/clinc150.ts";
import { readSnips } from "../../sources/snips.ts";
import { UNSEEN_CLINC_DOMAINS } from "./held-out.ts";
import { carve, makeTask } from "./make-task.ts";
import { type IntentFormat, intentTarget } from "./output-format.ts";
import { LABEL_FORMATS, LABEL_INTROS, type Phrases } from "./wording.ts";

type Topic = { roles: readonly string[]; about: readonly string[] };

/** What each domain is about, in words that a person would put into a prompt. */
const DOMAINS: Readonly<Record<string, Topic>> = {
  auto_and_commute: {
    roles: ["a car and commute assistant", "the voice assistant of a car"],
    about: ["cars, fuel, traffic and directions", "driving and car maintenance", "the car or the way to work"],
  },
  banking: {
    roles: ["a banking assistant", "the request router of a retail bank"],
    about: ["bank accounts, bills and transfers", "everyday banking", "an account at the bank"],
  },
  credit_cards: {
    roles: ["a credit card assistant", "the support desk of a card company"],
    about: [
      "credit cards, limits and rewards",
      "a credit card or a credit score",
      "card problems and card applications",
    ],
  },
  home: {
    roles: ["a home assistant", "a smart speaker at home"],
    about: ["lists, reminders, music and the smart home", "things to do at home", "household lists, orders and songs"],
  },
  kitchen_and_dining: {
    roles: ["a kitchen assistant", "a helper for cooking and eating out"],
    about: ["recipes, food and restaurants", "cooking and dining", "meals, nutrition and reservations"],
  },
  meta: {
    roles: ["the settings module of a voice assistant", "a device control assistant"],
    about: [
      "the assistant's own settings",
      "voice, volume, names and short replies",
      "controlling the assistant itself",
    ],
  },
  small_talk: {
    roles: ["a friendly chatbot", "the small talk module of an assistant"],
    about: ["small talk", "greetings, jokes and questions about the bot", "casual conversation"],
  },
  travel: {
    roles: ["a travel assistant", "the desk of a travel agency"],
    about: ["flights, hotels and trips abroad", "travelling", "holidays, visas and luggage"],
  },
  utility: {
    roles: ["a phone assistant", "a pocket helper for small everyday tasks"],
    about: ["weather, time, calls and calculations", "small everyday tools", "alarms, timers, units and messages"],
  },
  work: {
    roles: ["an office assistant", "the help desk of a personnel department"],
    about: ["work, pay, insurance and days off", "job and salary matters", "meetings, taxes and leave"],
  },
};

const INTENT_FORMATS: { readonly [F in IntentFormat]: readonly string[] } = {
  label: [
    "Reply with the intent label only.",
    "Answer with just the name of the intent.",
    "Output nothing but the intent label.",
    "Give the bare label, no other words.",
    "Return only the intent.",
    "The answer is the label alone.",
  ],
  json: [
    'Answer with a JSON object like {"intent": "..."}.',
    'Output JSON with the single key "intent".',
    'Reply as {"intent": "<label>"} and nothing else.',
    'Return the result as JSON: {"intent": label}.',
    'Write a JSON object whose field "intent" holds the label.',
  ],
  call: [
    'Answer with a call: route("<intent>").',
    'Reply as route("...") with the intent as its argument.',
    "Output only a call of the function route with the label in quotes.",
    'Call route("label") and write nothing else.',
    "Write the function call route(intent), the intent in double quotes.",
  ],
};

const intentActions = (about: readonly string[]): string[] => [
  ...about.map((topic) => `find the intent of a message about ${topic}`),
  ...about.map((topic) => `classify what the user wants; messages are about ${topic}`),
  ...about.slice(0, 2).map((topic) => `route each request about ${topic} to the right intent`),
];

const intentPhrases = (topic: Topic, format: IntentFormat, labels: readonly string[], share = 0.5): Phrases => ({
  roles: topic.roles,
  actions: intentActions(topic.about),
  formats: INTENT_FORMATS[format],
  list: { intros: LABEL_INTROS.map((intro) => intro.replace("labels", "intents")), items: labels, share },
});

const FORMATS: readonly IntentFormat[] = ["label", "json", "call"];

type Labelled = { text: string; label: string };
type Splits = { train: readonly Labelled[]; validation: readonly Labelled[]; test: readonly Labelled[] };

function intentTasks(
  { name, topic, seen = true, formats = FORMATS, share }: IntentTask,
  { train, validation, test }: Splits,
): TaskFamily[] {
  const labels = [...new Set(train.map((row) => row.label))].sort();
  return formats.map((format) => {
    const samples = (rows: readonly Labelled[]): Sample[] =>
      rows.map(({ text, label }) => ({ input: text.trim(), target: intentTarget[format](label) }));
    return makeTask({
      name: `${name}-${format}`,
      kind: "routing",
      seen,
      phrases: intentPhrases(topic, format, labels, share),
      labels: labels.map(intentTarget[format]),
      train: samples(train),
      validation: samples(validation),
      test: samples(test),
    });
  });
}

type IntentTask = { name: string; topic: Topic; seen?: boolean; formats?: readonly IntentFormat[]; share?: number };

/** Intents within each CLINC150 domain; the unseen domains as bare labels only. */
export async function clincIntentTasks(data: string): Promise<TaskFamily[]> {
  const [train, validation, test] = await clincSplits(data);
  return Object.entries(DOMAINS).flatMap(([domain, topic]) => {
    const rows = (split: readonly ClincRow[]) =>
      split.filter((row) => row.domain === domain).map(({ text, intent }) => ({ text, label: intent }));
    const seen = !UNSEEN_CLINC_DOMAINS.includes(domain);
    const task = {
      name: `clinc-${domain.replaceAll("_", "-")}`,
      topic,
      seen,
      formats: seen ? FORMATS : FORMATS.slice(0, 1),
    };
    return intentTasks(task, { train: rows(train), validation: rows(validation), test: rows(test) });
  });
}

/** The CLINC150 domain of a message, over the seen domains. */
export async function clincDomainTasks(data: string): Promise<TaskFamily[]> {
  const [train, validation, test] = await clincSplits(data);
  const rows = (split: readonly ClincRow[]) =>
    split
      .filter((row) => !UNSEEN_CLINC_DOMAINS.includes(row.domain))
      .map(({ text, domain }) => ({ text, label: domain }));
  const labels = Object.keys(DOMAINS).filter((domain) => !UNSEEN_CLINC_DOMAINS.includes(domain));
  const actions = [
    "decide which domain the message belongs to",
    "name the domain of the request",
    "sort each message into its subject area",
    "tell which department should get the message",
    "find the topic area of what the user says",
  ];
  const formats = {
    label: [...LABEL_FORMATS, "Reply with the domain only.", "Just the domain name."],
    json: [
      'Answer with a JSON object like {"domain": "..."}.',
      'Output JSON with the single key "domain".',
      'Reply as {"domain": "<label>"} and nothing else.',
    ],
  };
  return (["label", "json"] as const).map((format) => {
    const target = (label: string) => (format === "label" ? label : `{"domain": ${JSON.stringify(label)}}`);
    const samples = (split: readonly ClincRow[]) =>
      rows(split).map(({ text, label }) => ({ input: text, target: target(label) }));
    return makeTask({
      name: `clinc-domain-${format}`,
      kind: "routing",
      phrases: {
        roles: ["a dispatcher of messages", "the front desk of an assistant", "a switchboard"],
        actions,
        formats: formats[format],
        list: { intros: LABEL_INTROS.map((intro) => intro.replace("labels", "domains")), items: labels },
      },
      labels: labels.map(target),
      train: samples(train),
      validation: samples(validation),
      test: samples(test),
    });
  });
}

const clincSplits = (data: string) =>
  Promise.all([readClinc(data, "train"), readClinc(data, "validation"), readClinc(data, "test")]);

/** Banking77: 77 intents, which are listed in a few prompts only. */
export async function bankingTasks(data: string): Promise<TaskFamily[]> {
  const rows = (split: Awaited<ReturnType<typeof readBanking>>) =>
    split.map(({ text, intent }) => ({ text, label: intent }));
  const [validation, train] = carve("banking77", rows(await readBanking(data, "train")), 0.1);
  const topic: Topic = {
    roles: ["the support router of an online bank", "an assistant of a mobile banking app", "a bank's help desk"],
    about: [
      "cards, top-ups, transfers and exchange in a banking app",
      "an online bank's cards and payments",
      "trouble with a card or a payment",
    ],
  };
  return intentTasks(
    { name: "banking77", topic, formats: ["label", "json"], share: 0.03 },
    { train, validation, test: rows(await readBanking(data, "test")) },
  );
}

/** SNIPS: 7 intents of a voice assistant. */
export async function snipsIntentTasks(data: string): Promise<TaskFamily[]> {
  const rows = (split: Awaited<ReturnType<typeof readSnips>>) =>
    split.map(({ text, intent }) => ({ text, label: intent }));
  const [validation, train] = carve("snips", rows(await readSnips(data, "train")), 0.1);
  const topic: Topic = {
    roles: ["a voice assistant", "the command recogniser of a smart speaker", "a media and booking assistant"],
    about: [
      "music, books, films, restaurants and the weather",
      "playing, rating, searching and booking",
      "voice commands",
    ],
  };
  return intentTasks({ name: "snips-intent", topic }, { train, validation, test: rows(await readSnips(data, "test")) });
}
