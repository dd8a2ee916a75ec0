/** @file The chat template that other programs are given, of a pair whose inputs stand without the template's default system prompt. */
import type { PromptLayout } from "../text/prompt.ts";
import { templateWithoutDefault } from "../text/template-without-default.ts";
import { createTokenizer, readTokenizer, type TokenizerSource } from "../text/tokenizer-file.ts";

/**
 * What other programs are given in place of the template of a tokenizer (a folder, or a GGUF file), so that they write inputs as the layout
 * does. Undefined where its own will do, and where it cannot be changed so.
 */
export async function exportedTemplate(path: string, layout: PromptLayout): Promise<string | undefined> {
  if (layout.kind !== "chat-template" || layout.defaultSystem !== "omit" || layout.template !== undefined)
    return undefined;
  const source = await readTokenizer(path);
  const template = templateOf(source);
  if (template === undefined) return undefined;
  return templateWithoutDefault(template, createTokenizer(source.json, source.config, source), layout);
}

/** The text of the template that is usual: of `chat_template.jinja`, else of `tokenizer_config.json`. */
function templateOf({ template, config }: TokenizerSource): string | undefined {
  if (template !== undefined) return template;
  const listed = (config as { readonly chat_template?: unknown } | null)?.chat_template;
  return typeof listed === "string" ? listed : undefined;
}
