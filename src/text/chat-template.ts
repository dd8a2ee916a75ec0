/** @file Chat templates: messages to the text that a published model was trained on. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { parseTemplate, type Template } from "./bounded-template.ts";

/** `tool`: what a tool gave back, for templates that know that role. */
export type ChatMessage = { readonly role: "system" | "user" | "assistant" | "tool"; readonly content: string };

/** A tokenizer's templates by name; the usual one is "default". Each is parsed when it is first used. */
export type ChatTemplates = ReadonlyMap<string, Template>;

/** How `chat_template` is written: one template, or several with names. */
export const ChatTemplateField = z
  .union([z.string(), z.array(z.looseObject({ name: z.string().max(100), template: z.string() })).max(100)])
  .nullish();

/** What templates need of a tokenizer. */
export type TemplateTokens = {
  readonly chatTemplates: ChatTemplates;
  /** `bos_token`, `eos_token`, … as chat templates name them. */
  readonly namedTokens: Readonly<Record<string, string>>;
};

export type RenderChatOptions = {
  /** Whether the text ends where the assistant's answer begins. */
  readonly addGenerationPrompt?: boolean;
  /** Which of several templates. */
  readonly template?: string;
  /** The day a template may ask for, as "2026-11-22"; without it, templates use a day of their own. No clock is read. */
  readonly date?: string | undefined;
};

/** The templates of a `chat_template` field, or of `chat_template.jinja`, which comes first. */
export function chatTemplates(
  field: z.infer<typeof ChatTemplateField>,
  file: string | undefined,
  { name, fileName }: { name: string; fileName: string },
): ChatTemplates {
  const templates = new Map<string, Template>();
  const listed = typeof field === "string" ? [{ name: "default", template: field }] : (field ?? []);
  for (const one of listed) templates.set(one.name, lazily(one.template, `${name}: chat template`));
  if (file !== undefined) templates.set("default", lazily(file, fileName));
  return templates;
}

/**
 * Renders messages by the tokenizer's chat template; special tokens are spelled out in the text.
 * @throws E_CONFIG where there is no such template or it refuses the messages, E_FORMAT, E_LIMIT
 */
export function renderChat(
  tokenizer: TemplateTokens,
  messages: readonly ChatMessage[],
  { addGenerationPrompt = false, template = "default", date }: RenderChatOptions = {},
): string {
  const found = tokenizer.chatTemplates.get(template);
  if (found === undefined) {
    const names = [...tokenizer.chatTemplates.keys()].map((name) => JSON.stringify(name)).join(", ") || "none";
    throw new AppError(
      "E_CONFIG",
      `tokenizer: expected a chat template named ${JSON.stringify(template)}, found ${names}`,
    );
  }
  return found.render({
    ...tokenizer.namedTokens,
    messages,
    add_generation_prompt: addGenerationPrompt,
    ...(date === undefined ? {} : { strftime_now: (format: unknown) => formatDate(date, String(format)) }),
  });
}

function lazily(source: string, what: string): Template {
  let parsed: Template | undefined;
  return {
    render(values) {
      parsed ??= parseTemplate(source, what);
      return parsed.render(values);
    },
  };
}

const MONTHS = "January February March April May June July August September October November December".split(" ");

/** strftime for a day at midnight; what it does not know stays as it is. */
function formatDate(date: string, format: string): string {
  const [year, month, day] = date.split("-") as [string, string, string];
  const name = MONTHS[Number(month) - 1] ?? month;
  const parts: Readonly<Record<string, string>> = {
    Y: year,
    m: month,
    d: day,
    B: name,
    b: name.slice(0, 3),
    H: "00",
    M: "00",
    S: "00",
    "%": "%",
  };
  return format.replace(/%(.)/g, (all, letter: string) => parts[letter] ?? all);
}
