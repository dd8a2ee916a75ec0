/** @file Slots: the details of a request as a flat JSON object, in order of appearance. */

import type { Sample, TaskFamily } from "../../../src/data/task.ts";
import { readRestaurant } from "../../sources/restaurant8k.ts";
import { readSnips, type SnipsRow } from "../../sources/snips.ts";
import { carve, makeTask } from "./make-task.ts";
import { jsonTarget } from "./output-format.ts";
import type { Phrases } from "./wording.ts";

/** What the user of each SNIPS intent asks for. */
const INTENTS: Readonly<Record<string, string>> = {
  AddToPlaylist: "to add music to a playlist",
  BookRestaurant: "to book a restaurant",
  GetWeather: "for a weather forecast",
  PlayMusic: "to play music",
  RateBook: "to rate a book",
  SearchCreativeWork: "for a creative work",
  SearchScreeningEvent: "for film screenings",
};

const JSON_FORMATS: readonly string[] = [
  "Answer with one flat JSON object, slot names as keys.",
  "Output JSON only: keys are slot names, values are copied from the text.",
  'Reply as {"slot": "value", ...} in order of appearance.',
  "Return a JSON object with the slots that occur; copy each value as written.",
  "Write the slots as JSON and nothing else.",
];

const SLOT_INTROS: readonly string[] = [
  "The slots are: %.",
  "Slots: %.",
  "Possible keys: %.",
  "Look for %.",
  "Use these keys: %.",
];

function slotPhrases(request: string, slots: readonly string[]): Phrases {
  return {
    roles: ["a slot extractor", "a parser of user requests", "the language module of an assistant"],
    actions: [
      `extract the slots of a request ${request}`,
      `find the details when a user asks ${request}`,
      `pull every slot value out of a message that asks ${request}`,
      `turn a request ${request} into slots`,
      `list the slots; the user asks ${request}`,
    ],
    formats: JSON_FORMATS,
    list: { intros: SLOT_INTROS, items: slots },
  };
}

const kebab = (name: string) => name.replace(/(?<=[a-z])(?=[A-Z])/g, "-").toLowerCase();

/** One task for every SNIPS intent. */
export async function snipsSlotTasks(data: string): Promise<TaskFamily[]> {
  const [validationRows, trainRows] = carve("snips", await readSnips(data, "train"), 0.1);
  const testRows = await readSnips(data, "test");
  return Object.entries(INTENTS).map(([intent, request]) => {
    const rows = (split: readonly SnipsRow[]) => split.filter((row) => row.intent === intent && row.slots.length > 0);
    const train = rows(trainRows);
    const names = [...new Set(train.flatMap(({ slots }) => slots.map(({ slot }) => slot)))].sort();
    return makeTask({
      name: `snips-slots-${kebab(intent)}`,
      kind: "slots",
      phrases: slotPhrases(request, names),
      train: train.map(slotSample),
      validation: rows(validationRows).map(slotSample),
      test: rows(testRows).map(slotSample),
    });
  });
}

const slotSample = ({ text, slots }: SnipsRow): Sample => ({
  input: text.trim(),
  target: jsonTarget(slots.map(({ slot, value }) => [slot, value.trim()])),
});

/** Restaurant8k, whole and unseen: slots in the order in which the text has them; rows without a slot are left out. */
export async function restaurantTask(data: string): Promise<TaskFamily> {
  const samples = (rows: Awaited<ReturnType<typeof readRestaurant>>): Sample[] =>
    rows
      .filter(({ slots }) => slots.length > 0)
      .map(({ text, slots }) => {
        const ordered = [...slots].sort((a, b) => text.indexOf(a.value) - text.indexOf(b.value));
        return { input: text.trim(), target: jsonTarget(ordered.map(({ slot, value }) => [slot, value.trim()])) };
      });
  const [validation, train] = carve("restaurant8k", samples(await readRestaurant(data, "train")), 0.1);
  return makeTask({
    name: "restaurant8k-slots",
    kind: "slots",
    seen: false,
    phrases: slotPhrases("to reserve a table", ["date", "first_name", "last_name", "people", "time"]),
    train,
    validation,
    test: samples(await readRestaurant(data, "test")),
  });
}
