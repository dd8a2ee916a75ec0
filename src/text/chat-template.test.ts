import { describe, expect, test } from "vitest";
import { templateLimits } from "./bounded-template.ts";
import { type ChatMessage, renderChat } from "./chat-template.ts";
import { createTokenizer } from "./tokenizer-file.ts";

const json = {
  added_tokens: [{ id: 0, content: "<s>", special: true }],
  model: { type: "BPE", vocab: { a: 1 }, merges: [] },
};
const tokenizer = (chat_template: unknown, template?: string) =>
  createTokenizer(json, { bos_token: "<s>", chat_template }, { template });
const messages: ChatMessage[] = [{ role: "user", content: "hi" }];
const code = (expected: string) => expect.objectContaining({ code: expected });

describe("a chat template", () => {
  test("sees the messages, the special tokens and whether an answer is asked for", () => {
    const template =
      "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{{ add_generation_prompt }}";
    expect(renderChat(tokenizer(template), messages)).toBe("<s>[user]hifalse");
    expect(renderChat(tokenizer(template), messages, { addGenerationPrompt: true })).toBe("<s>[user]hitrue");
  });

  test("may be one of several with names", () => {
    const several = [
      { name: "default", template: "A" },
      { name: "tool_use", template: "B" },
    ];
    expect(renderChat(tokenizer(several), messages)).toBe("A");
    expect(renderChat(tokenizer(several), messages, { template: "tool_use" })).toBe("B");
    expect(() => renderChat(tokenizer(several), messages, { template: "rag" })).toThrow(
      'expected a chat template named "rag", found "default", "tool_use"',
    );
  });

  test("in chat_template.jinja comes before the one in tokenizer_config.json", () => {
    expect(renderChat(tokenizer("config", "file"), messages)).toBe("file");
  });

  test("that is missing is an error that says so", () => {
    expect(() => renderChat(tokenizer(undefined), messages)).toThrow(code("E_CONFIG"));
    expect(() => renderChat(tokenizer(undefined), messages)).toThrow('named "default", found none');
  });

  test("gets the day it is given, and reads no clock", () => {
    const template = "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y, %B %%') }}{% else %}no day{% endif %}";
    expect(renderChat(tokenizer(template), messages)).toBe("no day");
    expect(renderChat(tokenizer(template), messages, { date: "2026-03-04" })).toBe("04 Mar 2026, March %");
  });

  test("refuses messages in its own words", () => {
    const refusing = tokenizer("{{ raise_exception('System role not supported') }}");
    expect(() => renderChat(refusing, messages)).toThrow(code("E_CONFIG"));
    expect(() => renderChat(refusing, messages)).toThrow("refuses the messages: System role not supported");
  });

  test.each(["{% for %}", "{{ 1 + }}", "{{ nothing() }}", "{{ 'a' | nothing }}", "{% if x %}", "{{ 'a"])(
    "that is malformed is refused: %s",
    (template) => {
      expect(() => renderChat(tokenizer(template), messages)).toThrow(code("E_FORMAT"));
    },
  );

  test("uses loops that break and continue as often as it likes", () => {
    const template =
      "{% for i in range(500) %}{% if i % 2 %}{% continue %}{% endif %}{% if i > 400 %}{% break %}{% endif %}.{% endfor %}";
    expect(renderChat(tokenizer(template), messages)).toBe(".".repeat(201));
  });

  test("renders a conversation of a thousand long messages", () => {
    const long = Array.from(
      { length: 1000 },
      (_, i): ChatMessage => ({ role: i % 2 ? "assistant" : "user", content: "word ".repeat(200) }),
    );
    const template =
      "{% for m in messages %}{% if not loop.last and messages[loop.index0 + 1].role == 'x' %}!{% endif %}<{{ m.role }}>{{ m.content | trim }}{% endfor %}";
    expect(renderChat(tokenizer(template), long).length).toBeGreaterThan(1_000_000);
  });
});

const grown = (start: string, step: string) =>
  `{% set a = ${start} %}{% for i in range(60) %}{% set a = ${step} %}{% endfor %}`;
const inNamespace = (start: string, step: string) =>
  `{% set ns = namespace(a=${start}) %}{% for i in range(60) %}{% set ns.a = ${step} %}{% endfor %}`;

describe("a template that would take time or memory without end is refused:", () => {
  test.each<[string, string]>([
    [
      "a loop in a loop in a loop",
      "{% for i in range(9999) %}{% for j in range(9999) %}{% for k in range(9999) %}x{% endfor %}{% endfor %}{% endfor %}",
    ],
    ["empty loops", "{% set r = range(30000) %}{% for i in r %}{% for j in r %}{% endfor %}{% endfor %}"],
    ["a huge range", "{% for i in range(10**12) %}x{% endfor %}"],
    ["an endless range", "{% for i in range(0, 10**300 * 10**300) %}x{% endfor %}"],
    ["a text that doubles in a loop", `${grown("'aa'", "a ~ a")}{{ a }}`],
    ["a text that doubles", `${inNamespace("'aa'", "ns.a ~ ns.a")}{{ ns.a }}`],
    ["a list that doubles", `${inNamespace("[1]", "ns.a + ns.a")}{{ ns.a }}`],
    ["a list of itself twice", `${inNamespace("[1]", "[ns.a, ns.a]")}{{ ns.a | tojson }}`],
    [
      "a namespace that holds itself",
      "{% set ns = namespace() %}{% set ns.a = ns %}{% set ns.b = ns %}{{ ns | tojson }}",
    ],
    ["a replacement", "{{ ('a' | indent(9)) }}{% set s = range(9999) | join('aaaaaaaaaa') %}{{ s | replace('a', s) }}"],
    ["a replaced nothing", "{% set s = range(9999) | join('aaaaaaaaaa') %}{{ s.replace('', s) }}"],
    ["a separator", "{% set s = range(9999) | join('aaaaaaaaaa') %}{{ range(30000) | join(s) }}"],
    ["an indentation", "{{ 'a\nb' | indent(1000000000) }}"],
    ["an indentation of JSON", "{{ [1] | tojson(indent=1000000000) }}"],
    ["a macro without end", "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}"],
    [
      "a macro that calls itself twice",
      "{% macro f(x) %}{% if x > 0 %}{{ f(x - 1) }}{{ f(x - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    ],
    [
      "macros defined again and again",
      `{% for i in range(30000) %}{% macro f(x) %}${"{{ x }}".repeat(5000)}{% endmacro %}{% endfor %}`,
    ],
    ["parentheses", `{{ ${"(".repeat(20_000)}1${")".repeat(20_000)} }}`],
    ["lists in lists", `{{ ${"[".repeat(20_000)}1${"]".repeat(20_000)} }}`],
    ["a long sum", `{{ ${"1+".repeat(20_000)}1 }}`],
    ["conditions in conditions", `${"{% if true %}".repeat(4000)}x${"{% endif %}".repeat(4000)}`],
    ["a long template", "x".repeat(templateLimits.length + 1)],
    ["long white space", " ".repeat(50_000)],
    [
      "long texts over and over",
      `{% set s = range(9999) | join('aaaaaaaaaa') %}{% for i in range(30000) %}{% set t = s | upper %}{% endfor %}`,
    ],
    [
      "names that are not there",
      "{% for i in range(30000) %}{% for j in range(30000) %}{{ nothing }}{% endfor %}{% endfor %}",
    ],
  ])("%s", (_, template) => {
    expect(() => renderChat(tokenizer(template), messages)).toThrow(code("E_LIMIT"));
  });

  test("filter blocks are not supported", () => {
    expect(() => renderChat(tokenizer("{% filter upper %}a{% endfilter %}"), messages)).toThrow(code("E_FORMAT"));
  });
});
