/** @file From a description to a system prompt: a role before it, a reminder behind it, examples, or a long text in which it stands. */

import { join } from "node:path";
import { z } from "zod";
import type { Rng } from "../../src/base/rng.ts";
import { renderSystemPrompt } from "../../src/text/prompt.ts";
import { readRows } from "../sources/rows.ts";
import { words } from "./behaviour.ts";

export type Pair = { readonly input: string; readonly target: string };

const roles = [
  "You are a helpful assistant.",
  "You are a text tool.",
  "You process messages of users.",
  "Task:",
  "Instructions:",
  "System:",
  "You work for a support team.",
  "Follow these instructions.",
  "Here is your job.",
];
const reminders = ["Answer with nothing else.", "No explanation.", "Give only the answer.", "Keep to this for every message.", "Do not add anything.", "Reply with the answer alone.", "Be exact."]; // biome-ignore format: lists

/** A description, sometimes with a role in front and a reminder behind. */
export function dressed(rng: Rng, description: string): string {
  const role = rng.next() < 0.3 ? `${rng.pick(roles)} ` : "";
  const reminder = rng.next() < 0.3 ? ` ${rng.pick(reminders)}` : "";
  return role + description + reminder;
}

export type Style = "description" | "description-and-examples" | "examples" | "long";

/** One prompt in ten is examples alone, one in ten is long; one in eight has examples behind its description. */
export function drawStyle(rng: Rng): Style {
  const draw = rng.next();
  if (draw < 0.1) return "examples";
  if (draw < 0.2) return "long";
  return draw < 0.325 ? "description-and-examples" : "description";
}

export function systemPrompt(
  rng: Rng,
  description: string,
  style: Style,
  examples: readonly Pair[],
  long: LongTexts,
): string {
  if (style === "examples") return renderSystemPrompt({ examples });
  if (style === "description-and-examples")
    return renderSystemPrompt({ description: dressed(rng, description), examples: examples.slice(0, 1 + rng.int(4)) });
  return style === "long" ? buried(rng, description, long) : dressed(rng, description);
}

/** Paragraphs that say nothing of the task. */
export type LongTexts = { readonly personas: readonly string[] };

const Row = z.object({ instruction: z.string(), response: z.string() });

/** Personas and scenes out of GPTeacher's role plays. */
export async function readLongTexts(data: string): Promise<LongTexts> {
  const rows = await readRows(join(data, "gpteacher_roleplay", "train.jsonl.gz"), Row);
  const paragraphs = rows.map(({ response }) => response.replace(/\s+/g, " ").trim());
  return { personas: paragraphs.filter((text) => words(text).length >= 40 && words(text).length <= 110) };
}

const companies = [
  "Northwind",
  "Bluebird Travel",
  "Acme Parts",
  "Harbour Bank",
  "Greenleaf Foods",
  "Orbit Telecom",
  "Maple Homes",
  "Summit Cycles",
];
const policies = [
  "{c} was founded in {y} and has {n} employees in {m} offices.",
  "Our opening hours are {m} to {n} on weekdays; on Sundays the office is closed.",
  "Returns are accepted within {n} days if the package is unopened.",
  "Data of customers is kept for {m} years and never given to third parties.",
  "Orders above {n} dollars are shipped free of charge.",
  "Every conversation may be recorded to improve the service of {c}.",
  "Complaints are passed on to the complaints desk within {n} hours.",
  "Employees greet customers politely and do not discuss politics.",
  "The catalogue of {c} has {y} articles in {m} categories.",
  "Article {y}: garden chair, foldable, {n} dollars. Article {n}{m}: table lamp, brass, {m}{m} dollars.",
  "In case of fire leave the building by the stairs and gather in the car park.",
  "Warranty claims need the receipt and a photograph of the damage.",
  "Passwords are changed every {n} days and have at least {m}0 characters.",
  "Members of the {c} club collect {m} points per purchase, which expire after {n} months.",
  "The newsletter appears on the {m}th of every month.",
  "Holidays are announced on the notice board of {c} by the end of March.",
];

function policy(rng: Rng): string {
  const values: Record<string, string> = {
    c: rng.pick(companies),
    y: String(1900 + rng.int(120)),
    n: String(10 + rng.int(90)),
    m: String(2 + rng.int(8)),
  };
  return rng.pick(policies).replace(/\{(\w)\}/g, (_, name: string) => values[name]!);
}

/** About 170 to 550 words (250 to 900 tokens) of policies, catalogues and personas with the description somewhere between. */
function buried(rng: Rng, description: string, { personas }: LongTexts): string {
  const wanted = 170 + Math.floor(rng.next() ** 2 * 380);
  const parts: string[] = [];
  let count = words(description).length;
  while (count < wanted) {
    const part =
      rng.next() < 0.25 ? rng.pick(personas) : Array.from({ length: 3 + rng.int(5) }, () => policy(rng)).join(" ");
    parts.push(part);
    count += words(part).length;
  }
  parts.splice(rng.int(parts.length + 1), 0, description);
  return parts.join("\n\n");
}
