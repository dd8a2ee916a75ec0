/** @file A rule of form: one word with a full stop and nothing else, about what is said to a voice assistant (SNIPS). */
import { readSnips } from "../../sources/snips.ts";
import { divided, type SkillTask } from "./task.ts";
import { aboutTopics, messageOf, yesOrNo } from "./yes-or-no.ts";

const topics = {
  BookRestaurant: "a restaurant",
  GetWeather: "the weather",
  PlayMusic: "playing music",
  RateBook: "rating a book",
} as const;

export const format: SkillTask = {
  version: 1,
  summary: '"Yes." or "No." and nothing else: whether a message is about one of four things (SNIPS)',
  kind: "yes-no",
  form: 'Answer "Yes." or "No.", with the full stop and nothing else.',
  scorer: "exact",
  maxTokens: 4,
  labels: ["Yes.", "No."],
  subjectOf: messageOf,
  async read(data, split, rng) {
    const rows = await readSnips(data, split === "test" ? "test" : "train");
    const found = aboutTopics(rows, topics);
    const own = split === "test" ? found : divided(found, split, rng);
    return yesOrNo(own, { yes: "Yes.", no: "No." }, rng.split(split));
  },
};
