/** @file Tasks that ask for details of messages; the sibling's prompt wants others of the same messages, or the same in another form. */
import { createRng } from "../../src/base/rng.ts";
import { type Split, sample } from "./behaviour.ts";
import { extraction, type Message } from "./extraction.ts";
import { type SuiteTask, suiteTask } from "./task-set.ts";

const most = 400;

/** Tasks over different intents in turn, as long as there are any. A task's examples are messages that it does not ask. */
export function extractionTasks(
  split: Split,
  messages: ReadonlyMap<string, readonly Message[]>,
  { tasks, count }: { readonly tasks: number; readonly count: number },
): SuiteTask[] {
  const intents = [...messages].filter(([, list]) => list.length >= 2 * count).map(([intent]) => intent);
  return Array.from({ length: tasks }, (_, i) => {
    const intent = intents[i % intents.length]!;
    const name = `extraction-${intent.toLowerCase().replace(/[^a-z0-9]+/g, "-")}-${Math.floor(i / intents.length) + 1}`;
    for (let tries = 0; tries < 200; tries++) {
      const rng = createRng(`${split} ${name} ${tries}`);
      const texts = sample(rng, messages.get(intent)!, most);
      const half = Math.floor(texts.length / 2);
      const [shown, asked] = [texts.slice(0, half), texts.slice(half)];
      const behaviour = extraction(rng, asked, shown);
      if (behaviour === undefined) continue;
      const task = suiteTask(rng, {
        name,
        stratum: "extraction",
        kind: "extraction",
        scorers: behaviour.key.startsWith("{") ? ["json-equal"] : ["exact"],
        split,
        behaviour,
        sibling: () => extraction(rng, asked, shown) ?? behaviour,
        texts: asked,
        shown,
        count,
      });
      if (task !== undefined) return task;
    }
    throw new Error(`no task came out of 200 draws over ${intent}`);
  });
}
