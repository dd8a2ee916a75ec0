/** @file Tool calls: the service call of a dialogue, from what the user said before it (SGD). */

import { wordCount } from "../../../src/data/family-task.ts";
import type { Sample, TaskFamily } from "../../../src/data/task.ts";
import { readDialogues, readServices, type SgdDialogue, type SgdService } from "../../sources/sgd.ts";
import { UNSEEN_SGD_SERVICES } from "./held-out.ts";
import { carve, makeTask } from "./make-task.ts";
import { callTarget } from "./output-format.ts";
import type { Phrases } from "./wording.ts";

/** Services with enough calls whose arguments the user names word for word, and what each is for. */
const SERVICES: Readonly<Record<string, string>> = {
  Banks_1: "bank accounts",
  Events_1: "event search",
  Events_2: "concert and sports tickets",
  Homes_1: "apartment search",
  Media_1: "films on demand",
  Media_2: "film rental",
  Movies_1: "cinema programmes",
  Movies_2: "film search",
  Music_1: "song search",
  Music_2: "music",
  Services_2: "dentist search",
  Services_3: "doctor search",
  Travel_1: "tourist attractions",
  Weather_1: "weather",
};

const MAX_WORDS = 60;

/** One task for every service. Test calls come from the dev dialogues where the service is there, else from a tenth of train. */
export async function toolCallTasks(data: string): Promise<TaskFamily[]> {
  const train = callsByService(await readDialogues(data, "train"));
  const dev = callsByService(await readDialogues(data, "dev"));
  const services = new Map<string, SgdService>();
  for (const split of ["train", "dev"] as const) {
    for (const service of await readServices(data, split)) services.set(service.service_name, service);
  }
  return Object.entries(SERVICES).map(([name, purpose]) => {
    const seen = !UNSEEN_SGD_SERVICES.includes(name);
    const own = (seen ? train.get(name) : dev.get(name)) ?? [];
    const [test, rest] =
      seen && dev.has(name) ? [dev.get(name)!, own] : carve(`sgd test ${name}`, own, seen ? 0.1 : 0.6);
    const [validation, remaining] = carve(`sgd validation ${name}`, rest, 0.1);
    return makeTask({
      name: `sgd-${name.toLowerCase().replace("_", "-")}`,
      kind: "tool-call",
      seen,
      phrases: callPhrases(purpose, services.get(name)!),
      train: remaining,
      validation,
      test,
    });
  });
}

/** Calls whose every argument the user has said since the call before; arguments are written as the user wrote them. */
function callsByService(dialogues: readonly SgdDialogue[]): Map<string, Sample[]> {
  const calls = new Map<string, Sample[]>();
  for (const { turns } of dialogues) {
    let said: string[] = [];
    for (const { speaker, utterance, service_call: serviceCalls = [] } of turns) {
      if (speaker === "USER") said.push(utterance);
      if (serviceCalls.length === 0) continue;
      const input = said.join(" ");
      said = [];
      if (wordCount(input) > MAX_WORDS) continue;
      for (const { service, method, parameters } of serviceCalls) {
        if (!(service in SERVICES)) continue;
        const fields = Object.entries(parameters).map(([name, value]) => [name, asWritten(value, input)] as const);
        if (fields.length === 0 || fields.some(([, value]) => value === "")) continue;
        const list = calls.get(service) ?? [];
        list.push({ input, target: callTarget(method, fields) });
        calls.set(service, list);
      }
    }
  }
  return calls;
}

/** The first occurrence of a value as whole words, in the text's own spelling; empty when there is none. */
export function asWritten(value: string, text: string): string {
  const [wanted, lower] = [value.toLowerCase(), text.toLowerCase()];
  if (wanted === "" || lower.length !== text.length) return ""; // lower case of a few letters is longer: offsets would not fit
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, at + 1)) {
    const end = at + wanted.length;
    if (!isWordCharacter(lower[at - 1]) && !isWordCharacter(lower[end])) return text.slice(at, end);
  }
  return "";
}

const isWordCharacter = (character: string | undefined) => character !== undefined && /[\p{L}\p{N}]/u.test(character);

function callPhrases(purpose: string, { intents }: SgdService): Phrases {
  const functions = intents.map(
    ({ name, required_slots, optional_slots }) =>
      `${name}(${[...required_slots, ...Object.keys(optional_slots)].join(", ")})`,
  );
  return {
    roles: [`an agent with tools for ${purpose}`, "an assistant that calls functions", `the ${purpose} service`],
    actions: [
      `turn the request into a call of the ${purpose} service`,
      `call the right function for ${purpose} with what the user said`,
      `write the ${purpose} tool call that the user needs`,
      `answer requests about ${purpose} by calling a function`,
    ],
    formats: [
      'Answer with one call like Method(name="value").',
      'Output only the call: Function(param="value", ...).',
      "Reply with the function call and nothing else; arguments by name, values in double quotes as the user wrote them.",
      "Write a single call with named arguments in alphabetical order, values in quotes.",
    ],
    list: { intros: ["Functions: %.", "Available tools: %.", "You can call: %."], items: functions },
  };
}
