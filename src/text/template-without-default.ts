/** @file A chat template without the system prompt that it writes where none is given. */
import { AppError } from "../base/errors.ts";
import { type ChatLayout, laterTurnText } from "./chat-layout.ts";
import { type ChatMessage, chatTemplates, renderChat, type TemplateTokens } from "./chat-template.ts";

const INPUT = "\uFDD0"; // a noncharacter: in no template's own words
const user: ChatMessage = { role: "user", content: INPUT };
const conversation: readonly ChatMessage[] = [user, { role: "assistant", content: "a" }, user];
const prompted: readonly ChatMessage[] = [{ role: "system", content: "s" }, user];

/**
 * The template without the words of its default system prompt. Undefined where it has none, or where they cannot be taken out of it: then
 * it would write something else than before in another place.
 */
export function templateWithoutDefault(
  source: string,
  { namedTokens }: Pick<TemplateTokens, "namedTokens">,
  layout: ChatLayout,
): string | undefined {
  const parsed = (text: string): TemplateTokens => ({
    chatTemplates: chatTemplates(text, undefined, { name: "tokenizer", fileName: "tokenizer" }),
    namedTokens,
  });
  const write = (text: string, messages: readonly ChatMessage[]) =>
    renderChat(parsed(text), messages, { addGenerationPrompt: true, date: layout.date });
  const wanted = laterTurnText(parsed(source), layout, [user]);
  const written = write(source, [user]);
  const begin = namedTokens["bos_token"] ?? "";
  const rest = written.endsWith(wanted) ? wanted : wanted.slice(begin.length); // a begin token stays in front of the default prompt
  if (written === wanted || !written.endsWith(rest)) return undefined;
  const head = written.slice(wanted.length - rest.length, written.length - rest.length);
  const conversed = write(source, conversation).replace(head, "");
  const isSame = (text: string): boolean => {
    try {
      return (
        write(text, [user]) === wanted &&
        write(text, conversation) === conversed &&
        write(text, prompted) === write(source, prompted)
      );
    } catch (error) {
      if (error instanceof AppError) return false; // it is no template any more
      throw error;
    }
  };
  const spellings = [head, head.replaceAll("\n", "\\n")];
  const candidates = spellings.flatMap((spelling) => {
    const [before, after, ...more] = source.split(spelling);
    return after === undefined || more.length > 0 ? [] : [`${before}${after}`];
  });
  return candidates.find(isSame);
}
