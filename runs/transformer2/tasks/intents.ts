/** @file Whether a traveller's message is about one of six things: intents of one domain of CLINC150. */
import { readClinc } from "../../sources/clinc150.ts";
import type { SkillTask } from "./task.ts";
import { aboutTopics, messageOf, yesOrNo } from "./yes-or-no.ts";

const topics = {
  translate: "a translation",
  flight_status: "the state of a flight",
  lost_luggage: "lost luggage",
  exchange_rate: "changing money",
  book_hotel: "booking a hotel",
  car_rental: "renting a car",
} as const;

export const intents: SkillTask = {
  version: 1,
  summary: "whether a traveller's message is about one of six things (CLINC150)",
  kind: "routing",
  form: "Answer yes or no.",
  scorer: "first-word",
  maxTokens: 2,
  labels: ["yes", "no"],
  subjectOf: messageOf,
  async read(data, split, rng) {
    const own = aboutTopics(await readClinc(data, split), topics);
    return yesOrNo(own, { yes: "yes", no: "no" }, rng.split(split));
  },
};
