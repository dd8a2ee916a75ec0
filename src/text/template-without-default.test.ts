/** @file Chat templates for other programs: without the default system prompt, and else as they were. */
import { expect, test } from "vitest";
import { chatTemplates, renderChat } from "./chat-template.ts";
import { templateWithoutDefault } from "./template-without-default.ts";

const namedTokens = { bos_token: "<|im_start|>", eos_token: "<|im_end|>" };
const layout = { kind: "chat-template", defaultSystem: "omit" } as const;
const turns =
  "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
const ifNone = (text: string) =>
  `{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '${text}' }}{% endif %}`;
/** SmolLM2's, as its GGUF file has it. */
const smollm2 = `${ifNone("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n")}${turns}`;

const render = (template: string, ...contents: (readonly ["system" | "user" | "assistant", string])[]) =>
  renderChat(
    { chatTemplates: chatTemplates(template, undefined, { name: "t", fileName: "t" }), namedTokens },
    contents.map(([role, content]) => ({ role, content })),
    { addGenerationPrompt: true },
  );

test.each([
  ["with line breaks", smollm2],
  ["with escapes", smollm2.replaceAll("\n", "\\n")],
])("a default system prompt is left out, spelled %s; all else is written as before", (_, template) => {
  expect(render(template, ["user", "hi"])).toContain("SmolLM");
  const changed = templateWithoutDefault(template, { namedTokens }, layout)!;
  expect(render(changed, ["user", "hi"])).toBe("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
  const prompted = [
    ["system", "be brief"],
    ["user", "hi"],
    ["assistant", "yes"],
    ["user", "and"],
  ] as const;
  expect(render(changed, ...prompted)).toBe(render(template, ...prompted));
  expect(render(changed, ...prompted.slice(1))).toBe(
    "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nyes<|im_end|>\n<|im_start|>user\nand<|im_end|>\n<|im_start|>assistant\n",
  );
});

test("a begin token in front of the default prompt stays", () => {
  const tokens = { bos_token: "<s>" };
  const template = `{{ bos_token }}${smollm2}`;
  const changed = templateWithoutDefault(template, { namedTokens: tokens }, layout)!;
  const parts = { chatTemplates: chatTemplates(changed, undefined, { name: "t", fileName: "t" }), namedTokens: tokens };
  expect(renderChat(parts, [{ role: "user", content: "hi" }])).toBe("<s><|im_start|>user\nhi<|im_end|>\n");
});

test("a template without a default prompt stays, and one whose words cannot be taken out alone", () => {
  const plain = `{% for message in messages %}${turns}`;
  expect(templateWithoutDefault(plain, { namedTokens }, layout)).toBeUndefined();
  const inParts = `${ifNone("<|im_start|>system\n' + 'be nice' + '<|im_end|>\n")}${turns}`;
  expect(render(inParts, ["user", "hi"])).toContain("be nice");
  expect(templateWithoutDefault(inParts, { namedTokens }, layout)).toBeUndefined();
  const alsoRead = smollm2.replace(
    "{% endif %}",
    "{% endif %}{% set used = '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' %}",
  );
  expect(templateWithoutDefault(alsoRead, { namedTokens }, layout)).toBeUndefined();
});
