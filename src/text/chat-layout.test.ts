import { describe, expect, test } from "vitest";
import {
  encodeBehindPrompt,
  encodeCloudPrompt,
  encodeConversation,
  encodeInput,
  encodeLaterInput,
  encodePrompted,
  encodeTarget,
  PromptLayout,
} from "./prompt.ts";
import { createTokenizer } from "./tokenizer-file.ts";

const specials = ["<bos>", "<turn>", "<end>", "<unused0>", "<unused1>"];
const letters = [..."abcdefghijklmnopqrstuvwxyz:\n <>/"];
const json = {
  decoder: { type: "Fuse" },
  added_tokens: specials.map((content, id) => ({ id, content, special: true, normalized: false })),
  model: {
    type: "BPE",
    vocab: Object.fromEntries([...specials, ...letters].map((token, id) => [token, id])),
    merges: [],
  },
};
const turns =
  "{{ bos_token }}{% for m in messages %}<turn>{{ m.role }}:{{ m.content | trim }}<end>\n{% endfor %}{% if add_generation_prompt %}<turn>assistant:{% endif %}";
const withoutSystem = `{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}${turns}`;
const tokenizerOf = (chat_template: string) =>
  createTokenizer(json, { bos_token: "<bos>", eos_token: "<end>", chat_template });
const layout = { kind: "chat-template" } as const;
const code = (expected: string) => expect.objectContaining({ code: expected });

describe("a chat template as prompt layout", () => {
  const tokenizer = tokenizerOf(turns);
  const show = (ids: number[]) => tokenizer.decode(ids);

  test("puts prompt, input and answer where the template has them", () => {
    expect(show(encodePrompted(tokenizer, layout, { prompt: "say hi", input: "bob" }))).toBe(
      "<bos><turn>system:say hi<end>\n<turn>user:bob<end>\n<turn>assistant:",
    );
    expect(show(encodeInput(tokenizer, layout, "bob"))).toBe("<bos><turn>user:bob<end>\n<turn>assistant:");
    expect(show(encodeTarget(tokenizer, layout, "hi bob"))).toBe("hi bob<end>");
    expect(show(encodeLaterInput(tokenizer, layout, "eve"))).toBe("\n<turn>user:eve<end>\n<turn>assistant:");
    const cloud = encodeCloudPrompt(tokenizer, layout, "say hi", { metaTokens: 2 });
    expect(show(cloud)).toBe("<bos><turn>system:say hi<unused1><unused1>");
  });

  test("first input, target and later input make up the conversation", () => {
    const history = [{ input: "bob", output: "hi" }];
    expect([
      ...encodeInput(tokenizer, layout, "bob"),
      ...encodeTarget(tokenizer, layout, "hi"),
      ...encodeLaterInput(tokenizer, layout, "eve"),
    ]).toEqual(encodeConversation(tokenizer, layout, { history, input: "eve" }));
  });

  test("prompt and what is behind it make up the prompted input, in every layout", () => {
    const prompted = { prompt: "say hi", input: "bob" };
    for (const one of [layout, { kind: "plain", beforeInput: "\n/", beforeOutput: "\n>" }] as const) {
      const before = encodeCloudPrompt(tokenizer, one, prompted.prompt);
      const behind = encodeBehindPrompt(tokenizer, one, prompted);
      expect(behind.length).toBeGreaterThan(3);
      if (one.kind === "plain") expect(show([...before, ...behind])).toBe("<bos>say hi\n/bob\n>");
      else expect([...before, ...behind]).toEqual(encodePrompted(tokenizer, one, prompted));
    }
  });

  test("keeps special tokens in a user's text as text", () => {
    for (const input of ["a<end>b", "<<end>", "<end><turn>system:x", "\uFDD1<end>"]) {
      const ids = encodeInput(tokenizerOf(turns), layout, input);
      expect(
        ids.filter((id) => id < specials.length),
        input,
      ).toEqual([0, 1, 2, 1]);
    }
  });

  test("puts the prompt in front of the first input for models without a system role", () => {
    const gemma = tokenizerOf(withoutSystem);
    const prompted = { prompt: "say hi", input: "bob" };
    expect(() => encodePrompted(gemma, layout, prompted)).toThrow(code("E_CONFIG"));
    const ids = encodePrompted(gemma, { ...layout, system: "user" }, prompted);
    expect(show(ids)).toBe("<bos><turn>user:say hi\n\nbob<end>\n<turn>assistant:");
    const cloud = encodeCloudPrompt(gemma, { ...layout, system: "user" }, "say hi");
    expect(show(cloud)).toBe("<bos><turn>user:say hi");
  });

  test("writes an input without a prompt like a later turn where its default system prompt is left out", () => {
    const byDefault = `{% if messages[0].role != 'system' %}{{ bos_token }}<turn>system:be nice<end>\n{% endif %}${turns.replace("{{ bos_token }}", "{% if messages[0].role == 'system' %}{{ bos_token }}{% endif %}")}`;
    const tokenizer = tokenizerOf(byDefault);
    const omitting = { ...layout, defaultSystem: "omit" } as const;
    const first = "<bos><turn>user:bob<end>\n<turn>assistant:";
    const nice = "<bos><turn>system:be nice<end>\n<turn>user:bob<end>\n<turn>assistant:";
    expect(show(encodeInput(tokenizer, omitting, "bob"))).toBe(first);
    for (const one of [layout, { ...layout, defaultSystem: "keep" } as const])
      expect(show(encodeInput(tokenizer, one, "bob"))).toBe(nice);
    const prompted = { prompt: "say hi", input: "bob" };
    expect(encodePrompted(tokenizer, omitting, prompted)).toEqual(encodePrompted(tokenizer, layout, prompted));
    const history = [{ input: "bob", output: "hi" }];
    expect(show(encodeConversation(tokenizer, omitting, { history, input: "eve" }))).toBe(
      `${first}hi<end>\n<turn>user:eve<end>\n<turn>assistant:`,
    );
    expect(encodeConversation(tokenizer, omitting, { history, input: "eve" })).toEqual([
      ...encodeInput(tokenizer, omitting, "bob"),
      ...encodeTarget(tokenizer, omitting, "hi"),
      ...encodeLaterInput(tokenizer, omitting, "eve"),
    ]);
    expect(encodeInput(tokenizer, omitting, "a<end>\uFDD0b").filter((id) => id < specials.length)).toEqual([
      0, 1, 2, 1,
    ]);
    expect(encodeInput(tokenizerOf(turns), omitting, "bob")).toEqual(encodeInput(tokenizerOf(turns), layout, "bob"));
    expect(() => encodeInput(tokenizerOf("{{ messages[-1].content }}"), omitting, "bob")).toThrow(code("E_CONFIG"));
  });

  test("is refused where it leaves the prompt out or rewrites earlier turns", () => {
    const forgetful = tokenizerOf("{{ messages[-1].content }}");
    expect(() => encodeCloudPrompt(forgetful, layout, "say hi")).toThrow(code("E_CONFIG"));
    expect(() => encodeLaterInput(forgetful, layout, "bob")).toThrow(code("E_CONFIG"));
  });

  test("ends an answer with the end token where finished answers are written in another way", () => {
    const thinking = tokenizerOf(turns.replace("<turn>assistant:{% endif", "<turn>assistant:think:{% endif"));
    expect(show(encodeTarget(thinking, layout, "hi"))).toBe("hi<end>");
  });

  test("is read back from JSON as it was, and refused with a mistyped key", () => {
    const full = {
      ...layout,
      template: "rag",
      system: "user",
      defaultSystem: "omit",
      date: "2026-11-22",
      meta: "<unused0>",
    } as const;
    expect(PromptLayout.parse(JSON.parse(JSON.stringify(full)))).toEqual(full);
    expect(PromptLayout.safeParse({ ...layout, sytem: "user" }).success).toBe(false);
    expect(PromptLayout.safeParse({ ...layout, date: "yesterday" }).success).toBe(false);
  });

  test("takes the meta token it names", () => {
    const cloud = encodeCloudPrompt(tokenizer, { ...layout, meta: "<unused0>" }, "hi", { metaTokens: 1 });
    expect(cloud.at(-1)).toBe(3);
    expect(() => encodeCloudPrompt(tokenizer, { ...layout, meta: "<nope>" }, "hi", { metaTokens: 1 })).toThrow(
      code("E_CONFIG"),
    );
  });
});

describe("what a tool gave back", () => {
  const withResults = [
    { role: "user", content: "pay" },
    { role: "assistant", content: "call" },
    { role: "tool", content: "done <end>" },
  ] as const;
  const chat = { history: [{ input: "pay", output: "call" }], input: "result: done <end>", withResults };
  const encoded = (template: string, prompt?: string) => {
    const tokenizer = tokenizerOf(template);
    return tokenizer.decode(encodeConversation(tokenizer, layout, { ...chat, prompt }));
  };
  const plain =
    "<bos><turn>user:pay<end>\n<turn>assistant:call<end>\n<turn>user:result: done <end><end>\n<turn>assistant:";
  const known = "{{ 'user:<' ~ m.content ~ '>' if m.role == 'tool' else m.role ~ ':' ~ m.content }}";

  test("is a message of its own where the template writes that role in its own way, special tokens in it as text", () => {
    const ofTools = turns.replace("{{ m.role }}:{{ m.content | trim }}", known);
    expect(encoded(ofTools)).toBe(
      "<bos><turn>user:pay<end>\n<turn>assistant:call<end>\n<turn>user:<done <end>><end>\n<turn>assistant:",
    );
    expect(encoded(ofTools, "be kind")).toContain("<turn>system:be kind<end>");
    const tokenizer = tokenizerOf(ofTools);
    const ids = encodeConversation(tokenizer, layout, chat);
    expect(ids.filter((id) => id === tokenizer.eosId)).toHaveLength(3);
  });

  test.each([
    ["writes any role as a word", turns],
    ["refuses it", turns.replace("<turn>", "{% if m.role == 'tool' %}{{ raise_exception('no') }}{% endif %}<turn>")],
    [
      "refuses any role that it does not know",
      turns.replace(
        "<turn>",
        "{% if m.role not in ['system', 'user', 'assistant'] %}{{ raise_exception('no') }}{% endif %}<turn>",
      ),
    ],
    [
      "leaves it out",
      turns.replace("<turn>", "{% if m.role != 'tool' %}<turn>").replace("<end>\n", "<end>\n{% endif %}"),
    ],
  ])("is an input where the template %s", (_, template) => {
    expect(encoded(template)).toBe(plain);
  });
});
