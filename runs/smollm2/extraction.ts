/** @file Details copied out of a message: which ones, under which names and in which form changes from prompt to prompt. */
import type { Rng } from "../../src/base/rng.ts";
import { readRestaurant } from "../sources/restaurant8k.ts";
import { readSnips } from "../sources/snips.ts";
import { type Behaviour, bySplit, fill, type Split, sample, type Text, words } from "./behaviour.ts";
import { readFunctions } from "./functions.ts";

const maxWords = 30;

/** A message and the details in it, values as the message writes them. */
export type Message = Text & {
  readonly details: Readonly<Record<string, string>>;
  /** What it names more than once: no prompt asks it for these. */
  readonly repeated: readonly string[];
};

/** What a detail may be called. The first name is the data set's idea of it in words; a detail that is not listed is left out. */
const namesOf: Readonly<Record<string, readonly string[]>> = {
  account_type: ["account", "account type"],
  album: ["album", "record"],
  amount: ["amount", "sum", "money"],
  artist: ["artist", "musician", "singer", "performer"],
  best_rating: ["maximum", "scale"],
  category: ["attraction", "kind of place", "category"],
  city: ["city", "town", "place"],
  condition_description: ["weather", "condition", "forecast"],
  condition_temperature: ["temperature", "warmth"],
  country: ["country", "nation", "land"],
  cuisine: ["cuisine", "kitchen", "food"],
  date: ["date", "day"],
  destination: ["destination", "goal"],
  directed_by: ["director", "film maker"],
  facility: ["facility", "extra", "wish"],
  first_name: ["first name", "guest", "given name"],
  genre: ["genre", "style", "kind"],
  last_name: ["last name", "family name"],
  location: ["location", "place", "area"],
  location_name: ["cinema", "theatre", "venue"],
  movie_name: ["movie", "film", "title"],
  movie_type: ["kind", "kind of film"],
  number_of_rooms: ["rooms", "number of rooms"],
  number_of_seats: ["seats", "passengers", "people"],
  object_name: ["title", "work", "name"],
  object_type: ["type", "medium", "kind of work"],
  party_size_number: ["people", "party size", "guests", "seats"],
  people: ["people", "party size", "guests"],
  playback_device: ["device", "speaker", "player"],
  playlist: ["playlist", "list", "playlist name"],
  poi: ["landmark", "sight"],
  rating_unit: ["unit", "kind of points"],
  rating_value: ["rating", "score", "value"],
  recipient_account_name: ["recipient", "payee"],
  restaurant_name: ["restaurant", "venue", "name"],
  restaurant_type: ["place", "kind of place"],
  ride_type: ["ride", "kind of ride", "class"],
  served_dish: ["dish", "meal"],
  service: ["service", "app", "platform"],
  show_type: ["format", "kind of show"],
  song_name: ["song", "track", "title"],
  state: ["state", "region"],
  theater_name: ["theatre", "cinema"],
  time: ["time", "hour"],
  timeRange: ["time", "date", "moment"],
  track: ["track", "song", "title"],
  type: ["profession", "specialist", "kind of service"],
  where_to: ["city", "destination"],
  year: ["year", "date", "period"],
};

/** The details that a message names once, and the names of those that it names more often. */
function named(fields: readonly (readonly [string, string])[]): Pick<Message, "details" | "repeated"> {
  const known = fields.filter(([name, value]) => name in namesOf && value !== "");
  const isOnce = ([name]: readonly [string, string]) => known.filter(([other]) => other === name).length === 1;
  const repeated = known.filter((field) => !isOnce(field)).map(([name]) => name);
  return { details: Object.fromEntries(known.filter(isOnce)), repeated: [...new Set(repeated)] };
}

/** Messages of voice assistants and service calls, by what they ask for. Validation has a fixed tenth or twentieth of the train rows. */
export async function readMessages(data: string, split: Split): Promise<ReadonlyMap<string, readonly Message[]>> {
  const [snips, { requests }] = await Promise.all([
    readSnips(data, split === "test" ? "test" : "train"),
    readFunctions(data, split),
  ]);
  const rows = split === "test" ? snips : snips.filter((_, i) => (i % 10 === 9) === (split === "validation"));
  return byIntent([
    ...rows.map(({ text, intent, slots }) =>
      message("snips", intent, text, named(slots.map(({ slot, value }) => [slot, value] as const))),
    ),
    ...[...requests.values()]
      .flat()
      .map(({ text, service, method, parameters }) => message("sgd", `${service} ${method}`, text, named(parameters))),
  ]);
}

/** Messages of a data set that no training prompt has. */
export async function readHeldOutMessages(data: string): Promise<ReadonlyMap<string, readonly Message[]>> {
  const rows = await readRestaurant(data, "test");
  return byIntent(
    rows.map(({ text, slots }) =>
      message("restaurant8k", "booking", text, named(slots.map(({ slot, value }) => [slot, value] as const))),
    ),
  );
}

const message = (
  source: string,
  intent: string,
  text: string,
  found: Pick<Message, "details" | "repeated">,
): Message => ({ text: text.replace(/\s+/g, " ").trim(), source, domain: source, intent, ...found });

function byIntent(messages: readonly Message[]): Map<string, Message[]> {
  const groups = new Map<string, Message[]>();
  const seen = new Set<string>();
  for (const one of messages) {
    if (seen.has(one.text) || words(one.text).length > maxWords || Object.keys(one.details).length === 0) continue;
    seen.add(one.text);
    groups.set(one.intent, [...(groups.get(one.intent) ?? []), one]);
  }
  return groups;
}

type Form = {
  /** Of sentences with `{keys}`, `{shape}` and `{example}`, the last is for validation, the one before it for tests. */
  readonly sentences: readonly string[];
  readonly write: (fields: readonly (readonly [string, string])[]) => string;
  readonly weight: number;
};

const quote = (text: string): string => JSON.stringify(text);
export const asJson = (fields: readonly (readonly [string, string])[]): string =>
  `{${fields.map(([key, value]) => `${quote(key)}: ${quote(value)}`).join(", ")}}`;

const forms: readonly Form[] = [
  {
    weight: 4,
    sentences: [
      "Answer with JSON that has the keys {keys}.",
      "Answer as JSON with the keys {keys}, for example {example}.",
      "Output one JSON object with the keys {keys}, such as {example}.",
      "The answer is JSON: {shape}",
      "Return a JSON object whose keys are {keys}.",
      "Respond in JSON with the keys {keys}, as here: {example}.",
      "Return JSON with the keys {keys}, like {example}.",
    ],
    write: asJson,
  },
  {
    weight: 1,
    sentences: [
      "Write each as name: value, with a semicolon between them. The names are {keys}.",
      "Answer like this: {example}",
      "The form is {shape}",
      "Keep to the form of {example}",
      "Write it as in {example}",
    ],
    write: (fields) => fields.map(([key, value]) => `${key}: ${value}`).join("; "),
  },
  {
    weight: 1,
    sentences: [
      "Write each as name=value, with a comma between them. The names are {keys}.",
      "Answer in this form: {shape}",
      "For example: {example}",
      "An answer looks like {example}",
      "Write it like {example}",
    ],
    write: (fields) => fields.map(([key, value]) => `${key}=${value}`).join(", "),
  },
  {
    weight: 1,
    sentences: [
      "Write only the words of the message, with | between two of them.",
      "Answer with the words alone, a bar between them: {example}",
      "Give no names, only the words, in this order, with | between.",
      "The words alone, with | between them.",
      "Only the words themselves, parted by |.",
    ],
    write: (fields) => fields.map(([, value]) => value).join(" | "),
  },
];

const openings: { readonly [S in Split]: readonly string[] } = {
  train: [
    "Read from each message {details}.",
    "Find {details} in what the user writes.",
    "Extract {details} from the message.",
    "From every message take {details}, copied as written.",
    "You fill in forms. Needed: {details}.",
    "Look for {details} and copy the words.",
  ],
  test: ["Pull {details} out of each text.", "Note {details} from the message, word for word."],
  validation: ["Take down {details} as the user says it."],
};
const forMissing = ['Write "{missing}" for what is not said.', 'If one is not mentioned, put "{missing}".'];
const missingWords = ["none", "", "unknown", "-", "n/a"];

const spellings: readonly ((name: string) => string)[] = [
  (name) => name.replaceAll(" ", "_"),
  (name) => name.replaceAll(" ", "_"),
  (name) => name.replace(/ (\w)/g, (_, letter: string) => letter.toUpperCase()),
  (name) => name.replaceAll(" ", "_").toUpperCase(),
];

const listed = (items: readonly string[]): string =>
  items.length === 1 ? items[0]! : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;

function weighted(rng: Rng): Form {
  let place = rng.next() * forms.reduce((sum, { weight }) => sum + weight, 0);
  for (const form of forms) {
    place -= form.weight;
    if (place < 0) return form;
  }
  return forms[0]!;
}

/** Details that a good part of the messages names. */
const usual = (messages: readonly Message[]): string[] =>
  Object.keys(namesOf).filter(
    (name) => messages.filter(({ details }) => name in details).length >= Math.max(6, messages.length / 8),
  );

/**
 * One to three details of messages that ask for one thing; undefined where they name none often enough. The example in the prompt is the
 * answer to one of `shown`, which no query asks.
 */
export function extraction(rng: Rng, messages: readonly Message[], shown: readonly Message[]): Behaviour | undefined {
  const wanted = sample(rng, usual(messages), 1 + rng.int(3));
  if (wanted.length === 0) return undefined;
  const names: string[] = [];
  for (const detail of wanted) {
    const free = namesOf[detail]!.filter((name) => !names.includes(name));
    if (free.length === 0) return undefined;
    names.push(rng.pick(free));
  }
  const spell = rng.pick(spellings);
  const form = weighted(rng);
  const missing = rng.next() < 0.3 ? rng.pick(missingWords) : undefined;
  const byText = new Map([...messages, ...shown].map((one) => [one.text, one]));
  const fieldsOf = (details: Message["details"]) =>
    wanted.map((detail, i) => [spell(names[i]!), details[detail] ?? missing] as const);
  const isWhole = (fields: ReturnType<typeof fieldsOf>): fields is (readonly [string, string])[] =>
    fields.every(([, value]) => value !== undefined);
  const answer = ({ text }: Text): string | undefined => {
    const { details, repeated } = byText.get(text) ?? {};
    if (details === undefined || wanted.every((detail) => !(detail in details))) return undefined;
    if (wanted.some((detail) => repeated!.includes(detail))) return undefined;
    const fields = fieldsOf(details);
    return isWhole(fields) ? form.write(fields) : undefined;
  };
  const full = rng.shuffle(shown.filter(({ details }) => wanted.every((detail) => detail in details)));
  const example = full[0] === undefined ? undefined : answer(full[0]);
  if (example === undefined) return undefined;
  const values = {
    details: listed(names.map((name) => `the ${name}`)),
    keys: listed(names.map((name) => quote(spell(name)))),
    shape: form.write(names.map((name) => [spell(name), "…"] as const)),
    example,
  };
  const { sentences } = form;
  const parts = { train: sentences.slice(0, -2), test: sentences.slice(-2, -1), validation: sentences.slice(-1) };
  const said = missing === undefined ? "" : `${fill(rng.pick(forMissing), { missing })} `;
  return {
    kind: `extraction of ${names.length}`,
    group: "extraction",
    key: `${values.shape} ${wanted.join()} ${missing}`,
    wordings: bySplit((split) =>
      Array.from(
        { length: 3 },
        () => `${fill(rng.pick(openings[split]), values)} ${said}${fill(rng.pick(parts[split]), values)}`,
      ),
    ),
    answer,
  };
}
