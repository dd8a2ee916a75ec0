/** @file One general prompt for all tasks: what a prompt's own words are worth is what is gained over it. */
import type { Method } from "./method.ts";
import { prompted } from "./prompted.ts";
import { specialized } from "./specialized.ts";

export const generalPrompt = "You are a helpful assistant. Read the input and answer it briefly and correctly.";

const underGeneralPrompt = (method: Method, summary: string): Method => ({
  ...method,
  summary,
  prepare: (subject, task, how) => method.prepare(subject, { ...task, systemPrompt: generalPrompt }, how),
});

export const promptedGeneral = underGeneralPrompt(prompted, "the edge model with one general prompt in its context");

export const specializedGeneral = underGeneralPrompt(
  specialized,
  "the edge model specialised by one general prompt, input alone",
);
