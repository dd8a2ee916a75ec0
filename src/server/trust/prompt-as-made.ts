/** @file The text that a specialisation was made of: a prompt, examples, or both. */
import { renderSystemPrompt } from "../../text/prompt.ts";

export function promptAsMade(
  description: string | undefined,
  examples: readonly { readonly input: string; readonly output: string }[] | undefined,
): string | undefined {
  if (examples === undefined) return description;
  const shots = examples.map(({ input, output }) => ({ input, target: output }));
  return renderSystemPrompt({ ...(description === undefined ? {} : { description }), examples: shots });
}
