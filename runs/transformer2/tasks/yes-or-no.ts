/** @file Messages that are about one of a few topics, each asked twice: of its own topic, and of another. As often yes as no. */
import type { Rng } from "../../../src/base/rng.ts";
import type { Example } from "../../../src/text/prompt.ts";

export type Message = { readonly text: string; readonly topic: string };

/** The rows whose intent is one of these topics. */
export const aboutTopics = (
  rows: readonly { readonly text: string; readonly intent: string }[],
  topics: Readonly<Record<string, string>>,
): Message[] =>
  rows.flatMap(({ text, intent }) => (Object.hasOwn(topics, intent) ? [{ text, topic: topics[intent]! }] : []));

/** The message that a question is about. */
export const messageOf = (question: string): string => question.slice(0, question.lastIndexOf("\nIs it about "));

export const yesOrNo = (
  messages: readonly Message[],
  answers: { readonly yes: string; readonly no: string },
  rng: Rng,
): Example[] => {
  const topics = [...new Set(messages.map(({ topic }) => topic))].sort();
  return messages.flatMap(({ text, topic }, i) => {
    const other = rng.split(`other topic ${i}`).pick(topics.filter((one) => one !== topic));
    const ask = (about: string) => `Message: ${text}\nIs it about ${about}?`;
    return [
      { input: ask(topic), target: answers.yes },
      { input: ask(other), target: answers.no },
    ];
  });
};
