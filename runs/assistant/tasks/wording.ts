/** @file Wordings of system prompts: sentence frames filled with a task's own phrases. */
import { createRng } from "../../../src/base/rng.ts";

/** The phrases of one task; a frame picks one of each. */
export type Phrases = {
  /** Who answers, as after "You are": "a bank's assistant". */
  readonly roles: readonly string[];
  /** What to do, as after "your task is to": "name the intent of the message". */
  readonly actions: readonly string[];
  /** Whole sentences that demand the output format. */
  readonly formats: readonly string[];
  /** The possible answers, slots or functions, written out in about half of the prompts. */
  readonly list?: { readonly intros: readonly string[]; readonly items: readonly string[]; readonly share?: number };
};

type Parts = { role: string; action: string; format: string };
type Frame = (parts: Parts) => string;

const upper = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** Every sixth frame, counted from the fifth, is held out: no task is trained with it. They are for validation and test by turns. */
const HELD_OUT_EVERY = 6;
const HELD_OUT_AT = 4;
const HELD_OUT_SPLITS = ["validation", "test"] as const;
/** How many prompts each frame that is trained with gives. */
const PROMPTS_PER_FRAME = 3;

const FRAMES: readonly Frame[] = [
  ({ role, action, format }) => `You are ${role}. ${upper(action)}. ${format}`,
  ({ action, format }) => `${upper(action)}. ${format}`,
  ({ action, format }) => `Your job: ${action}. ${format}`,
  ({ action, format }) => `${format} The task: ${action}.`,
  ({ role, action, format }) => `Act as ${role} and ${action}. ${format}`,
  ({ role, action, format }) => `As ${role} you must ${action}. ${format}`,
  ({ action, format }) => `Please ${action}. ${format} Thank you.`,
  ({ action, format }) => `# Instruction\n${upper(action)}.\n# Format\n${format}`,
  ({ action, format }) => `For every message you get, ${action}. ${format}`,
  ({ action, format }) => `Task: ${action}\nOutput: ${format}`,
  ({ action, format }) => `I want you to ${action}. ${format}`,
  ({ role, action, format }) => `You work as ${role}. When a message comes in, ${action}. ${format}`,
  ({ role, action, format }) => `${format} You are ${role}; ${action}.`,
  ({ role, action, format }) => `We need ${role} here. ${upper(action)}, please. ${format}`,
  ({ action, format }) => `Read what the user wrote and ${action}. ${format} Do not explain.`,
  ({ role, action, format }) => `Role: ${role}\nTask: ${action}\nAnswer format: ${format}`,
  ({ action, format }) => `Whatever the user writes, your only task is to ${action}. ${format}`,
  ({ action, format }) => `The next text comes from a user. ${upper(action)}. ${format} No other text.`,
  ({ action, format }) => `Can you ${action}? ${format}`,
  ({ role, action, format }) => `Instructions for ${role}: ${action}. ${format}`,
  ({ action, format }) => `Hello! What you have to do is simple: ${action}. ${format}`,
  ({ action, format }) => `- ${upper(action)}.\n- ${format}\n- No explanations.`,
  ({ role, action, format }) => `Imagine you are ${role}. Someone writes to you; ${action}. ${format}`,
  ({ action, format }) => `${upper(action)}. Remember: ${format}`,
];

/**
 * All wordings of one task: three for every frame that is trained with, one for every held-out frame, with
 * phrases drawn by the task's name.
 */
export function wordings(name: string, phrases: Phrases): { train: string[]; validation: string[]; test: string[] } {
  const rng = createRng(`wording ${name}`);
  const { roles, actions, formats, list } = phrases;
  const withList = (text: string): string => {
    if (list === undefined || rng.next() >= (list.share ?? 0.5)) return text;
    const items = rng.shuffle([...list.items]).join(", ");
    const sentence = rng.pick(list.intros).replace("%", () => items);
    return rng.next() < 0.5 ? `${sentence} ${text}` : `${text} ${sentence}`;
  };
  const found = { train: new Set<string>(), validation: new Set<string>(), test: new Set<string>() };
  for (let round = 0; round < PROMPTS_PER_FRAME; round++) {
    FRAMES.forEach((frame, index) => {
      const split = splitOfFrame(index);
      if (split !== "train" && round > 0) return;
      const text = frame({ role: rng.pick(roles), action: rng.pick(actions), format: withList(rng.pick(formats)) });
      found[split].add(text);
    });
  }
  return { train: [...found.train], validation: [...found.validation], test: [...found.test] };
}

function splitOfFrame(index: number): "train" | "validation" | "test" {
  if (index % HELD_OUT_EVERY !== HELD_OUT_AT) return "train";
  return HELD_OUT_SPLITS[Math.floor(index / HELD_OUT_EVERY) % HELD_OUT_SPLITS.length]!;
}

/** Ways to demand one of a few labels and nothing else. */
export const LABEL_FORMATS: readonly string[] = [
  "Reply with the label only.",
  "Answer with just the label.",
  "Output nothing but the label.",
  "Give the bare label, no other words.",
  "Return only the name of the label.",
  "The answer is the label alone.",
];

/** Ways to introduce the possible answers; `%` stands for the list. */
export const LABEL_INTROS: readonly string[] = [
  "Choose from: %.",
  "The labels are: %.",
  "Possible answers: %.",
  "Allowed labels: %.",
  "Pick one of these: %.",
];
