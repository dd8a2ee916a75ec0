/** @file Function calls: requests of SGD's dialogues under sets of functions that change from prompt to prompt, names included. */
import type { Rng } from "../../src/base/rng.ts";
import { asWritten } from "../assistant/tasks/tool-call.ts";
import { readDialogues, readServices, type SgdService } from "../sources/sgd.ts";
import { bySplit, type Split, sample, words } from "./behaviour.ts";
import { isHeldOutService } from "./held-out.ts";

const maxWords = 40;

/** A request and the call it leads to; arguments as the user wrote them. */
export type Request = {
  readonly text: string;
  readonly service: string;
  readonly method: string;
  readonly parameters: readonly (readonly [string, string])[];
};

export type FunctionSource = {
  readonly requests: ReadonlyMap<string, readonly Request[]>;
  readonly services: ReadonlyMap<string, SgdService>;
};

/** Requests by service. Of a split's rows, or of all; `held` takes the held-out services alone. */
export async function readFunctions(data: string, split: Split, { held = false } = {}): Promise<FunctionSource> {
  const services = new Map<string, SgdService>();
  for (const part of ["dev", "train"] as const)
    for (const service of await readServices(data, part)) services.set(service.service_name, service);
  const dialogues =
    split === "test"
      ? await readDialogues(data, "dev")
      : (await readDialogues(data, "train")).filter((_, i) => (i % 20 === 19) === (split === "validation"));
  const requests = new Map<string, Request[]>();
  const seen = new Set<string>();
  for (const { turns } of dialogues) {
    let said: string[] = [];
    for (const { speaker, utterance, service_call: calls = [] } of turns) {
      if (speaker === "USER") said.push(utterance);
      if (calls.length === 0) continue;
      const text = said.join(" ").replace(/\s+/g, " ").trim();
      said = [];
      if (words(text).length > maxWords || seen.has(text)) continue;
      seen.add(text);
      for (const { service, method, parameters } of calls) {
        if (isHeldOutService(service) !== held) continue;
        const fields = Object.entries(parameters).map(([name, value]) => [name, asWritten(value, text)] as const);
        if (fields.length === 0 || fields.some(([, value]) => value === "")) continue;
        const list = requests.get(service) ?? [];
        list.push({ text, service, method, parameters: fields });
        requests.set(service, list);
      }
    }
  }
  return { requests, services };
}

type Style = {
  readonly call: (name: string, fields: readonly (readonly [string, string])[]) => string;
  readonly sentence: string;
};

export const callStyles: readonly Style[] = [
  {
    sentence: 'Answer with one call as JSON: {"name": "…", "arguments": {"…": "…"}}.',
    call: (name, fields) =>
      `{"name": ${JSON.stringify(name)}, "arguments": {${fields.map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`).join(", ")}}}`,
  },
  {
    sentence: 'Answer with one call like name(key="value").',
    call: (name, fields) => `${name}(${fields.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(", ")})`,
  },
];

const snake = (name: string): string => name.replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase();
const camel = (name: string): string => snake(name).replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

const nameSpellings: readonly ((name: string) => string)[] = [
  (name) => name,
  snake,
  camel,
  (name) => snake(name).replace(/_/g, "-"),
];

const openings = {
  train: [
    "Turn the request into a function call.",
    "You can call functions. Choose the right one and fill in what the user said.",
    "Call the function that the user needs.",
    "Write the call for the user's request; values exactly as the user wrote them.",
    "You are an agent with tools. Answer every message with one call.",
  ],
  test: [
    "Map what the user says to one of the functions below.",
    "Every request is answered by a call of one of these tools.",
  ],
  validation: ["Pick a function and its arguments from the request."],
} as const satisfies { readonly [S in Split]: readonly string[] };

export type FunctionPrompt = {
  readonly wordings: { readonly [S in Split]: readonly string[] };
  readonly names: readonly string[];
  readonly key: string;
  readonly answer: (request: Request) => string;
  readonly nameOf: (request: Request) => string;
};

/** A set of functions of one service and of others, in a drawn spelling. Only parameters that requests of the service use are shown. */
export function functionSet(
  rng: Rng,
  { services }: FunctionSource,
  service: string,
  others: readonly string[],
  style = rng.pick(callStyles),
): FunctionPrompt {
  const spellName = rng.pick(nameSpellings);
  const spellKey = rng.pick([(key: string) => key, camel]);
  const shown = rng.shuffle(
    [service, ...others].flatMap((name) => services.get(name)!.intents.map((intent) => ({ ...intent, service: name }))),
  );
  // Two services may share a method's name: only the first keeps it.
  const unique = shown.filter(
    ({ name, service: own }) =>
      own === service || !services.get(service)!.intents.some((intent) => intent.name === name),
  );
  const kept = unique.filter(({ name }, i) => unique.findIndex((other) => other.name === name) === i);
  const lines = kept.map(({ name, description, required_slots, optional_slots }) => {
    const keys = [...required_slots, ...Object.keys(optional_slots)].map(spellKey);
    return { name: spellName(name), signature: `${spellName(name)}(${keys.join(", ")})`, description };
  });
  const described = rng.next() < 0.5;
  const list = lines
    .map(({ signature, description }) => `- ${signature}${described ? `: ${description}` : ""}`)
    .join("\n");
  return {
    names: lines.map(({ name }) => name),
    key: JSON.stringify([lines, style.sentence]),
    wordings: bySplit((split) => [`${rng.pick(openings[split])}\nFunctions:\n${list}\n${style.sentence}`]),
    answer: ({ method, parameters }) =>
      style.call(
        spellName(method),
        parameters.map(([key, value]) => [spellKey(key), value] as const),
      ),
    nameOf: ({ method }) => spellName(method),
  };
}

/** Services with at least so many requests. */
export const usableServices = ({ requests }: FunctionSource, least = 12): string[] =>
  [...requests]
    .filter(([, list]) => list.length >= least)
    .map(([name]) => name)
    .sort();

export const otherServices = (rng: Rng, source: FunctionSource, service: string, count: number): string[] =>
  sample(
    rng,
    usableServices(source, 1).filter((name) => name !== service),
    count,
  );
