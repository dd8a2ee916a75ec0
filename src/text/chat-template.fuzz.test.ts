/** @file 2,000 damaged copies each of chat templates and of the file that carries them: refused, or rendered within bounds. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { damageFile, fuzz } from "../../test/support/fuzz.ts";
import { mutateJsonBytes } from "../../test/support/mutate.ts";
import { writeSmallTokenizer } from "../../test/support/small-tokenizer.ts";
import type { Rng } from "../base/rng.ts";
import { parseTemplate, templateLimits } from "./bounded-template.ts";
import { CHAT_TEMPLATE_LAYOUT } from "./chat-layout.ts";
import { type ChatMessage, renderChat } from "./chat-template.ts";
import { encodePrompted, encodeTarget } from "./prompt.ts";
import { loadTokenizer } from "./tokenizer-file.ts";

/** All that published templates do: whitespace control, namespaces, macros, filters, slices, methods, tests. */
const template = `{{- bos_token }}{%- macro show(m, mark='>') -%}{{ mark ~ m.role }}: {{ m['content'] | trim }}{%- endmacro %}
{%- set ns = namespace(count=0, text='') %}
{%- if messages[0]['role'] == 'system' %}{% set system = messages[0].content | replace('\\n', ' ') %}{% set rest = messages[1:] %}
{%- else %}{% set system = none %}{% set rest = messages %}{% endif %}
{%- for m in rest if m.role != 'tool' %}
  {%- set ns.count = ns.count + loop.index * 2 - 1 %}
  {%- if loop.first and system is not none %}<|system|>{{ system }}{% elif m.role not in ['user', 'assistant'] %}{{ raise_exception('role ' + m.role) }}{% endif %}
  {%- set ns.text = ns.text ~ m.content.split(' ')[-1].strip().upper() %}
  {{- '<|user|>' if m.role == 'user' else '<|assistant|>' }}{{ show(m) }}{{ eos_token }}
{%- endfor %}
{%- for i in range(3, 0, -1) %}{% if i == 2 %}{% continue %}{% endif %}{{ i | string | indent(2) }}{% endfor %}
{{- {'a': [1, 2.5, true], 'b': rest | map(attribute='role') | join(', ')} | tojson(indent=2) }}
{%- if add_generation_prompt %}<|assistant|>{% endif %}{{ ns.count }}{{ ns.text | length }}`;

const messages: ChatMessage[] = [
  { role: "system", content: "Be\nbrief." },
  { role: "user", content: "the cat" },
  { role: "assistant", content: "and the dog" },
];

const pieces = [
  ..."{{ }} {% %} {%- -%} {# #} ( ) [ ] { } ' \" | ~ + - * ** / // % , . : == != < in not is".split(" "),
  ..." if | endif| for x in range(99999)| endfor| set a = a ~ a ~ a| macro f(x)| endmacro|{{ f(f) }}".split("|"),
  "{% for i in range(10**9) %}",
  "{% endfor %}",
  "messages",
  "ns",
  "{% set ns.text = ns.text ~ ns.text %}",
  "{% set ns.list = [ns.list, ns.list, messages] %}",
  "{{ ns | tojson }}",
  "{{ show(show) }}",
  " | replace('', ns.text)",
  " | indent(999999999)",
  " | tojson(indent=99999999)",
  " | join(messages | tojson)",
  "99999999999999999999",
  "-1",
  "0",
  "none",
  "\\",
  "\0",
  "\ud800",
];

/** Whole expressions, which leave a template well-formed wherever a name or a number stood. */
const expressions = [
  ..."messages|ns|ns.text|rest|m|loop|system|none|show|range|0|1|-1|99999|10**9|''|'a'|[]|[ns, ns]|true".split("|"),
  "ns.text ~ ns.text ~ ns.text",
  "range(99999)",
  "range(10**9)",
  "(messages | tojson)",
  "messages[0].content",
  "nothing",
];

const word = /(?<![\w'])(?:ns\.\w+|m\.\w+|messages|rest|system|loop\.\w+|\d+)(?![\w'])/g;

function replaceWord(text: string, rng: Rng): string {
  const words = [...text.matchAll(word)];
  if (words.length === 0) return text;
  const { 0: found, index } = rng.pick(words);
  return text.slice(0, index) + rng.pick(expressions) + text.slice(index + found.length);
}

/** One to three words become other expressions; every other copy also loses, doubles or gains some text. */
function mutateTemplate(text: string, rng: Rng): string {
  for (let times = 1 + rng.int(3); times > 0; times--) text = replaceWord(text, rng);
  if (rng.int(2) === 0) return text;
  const from = rng.int(text.length + 1);
  const end = Math.min(text.length, from + rng.int(60));
  const at = rng.int(text.length + 1);
  const insert = (inserted: string) => text.slice(0, at) + inserted + text.slice(at);
  const changes: readonly (() => string)[] = [
    () => text.slice(0, from) + text.slice(end),
    () => insert(text.slice(from, end)),
    () => insert(rng.pick(pieces)),
    () => insert(rng.pick(["{{ (", "{% if a %}", "[", "{{ -"]).repeat(1 + rng.int(3000))),
    () => text.replaceAll(rng.pick(["ns.text", "m.role", "loop.index", "'", "content", "3, 0, -1"]), rng.pick(pieces)),
  ];
  return rng.pick(changes)();
}

test("2,000 mutations of a chat template render within bounds or are refused", async () => {
  let damaged = template;
  const render = () =>
    parseTemplate(damaged, "template").render({
      messages,
      add_generation_prompt: true,
      bos_token: "<s>",
      eos_token: "</s>",
    });
  expect(render()).toContain("<|system|>Be brief.<|user|>>user: the cat</s>");
  const { outcomes, reasons } = await fuzz({
    seed: "chat template",
    damage(rng) {
      damaged = mutateTemplate(template, rng);
      return 2 * damaged.length;
    },
    read: async () => expect(render().length).toBeLessThanOrEqual(templateLimits.size),
  });
  expect(outcomes["read"]).toBeGreaterThan(200);
  expect(outcomes["E_LIMIT"]).toBeGreaterThan(50);
  expect(reasons).toBeGreaterThan(20);
});

test("2,000 mutations of a tokenizer_config.json with chat templates encode prompts or are refused", async () => {
  const dir = mkdtempSync(join(tmpdir(), "fuzz-"));
  writeSmallTokenizer(dir);
  const path = join(dir, "tokenizer_config.json");
  const config = JSON.parse(readFileSync(path, "utf8"));
  const chat_template = [
    { name: "default", template },
    { name: "other", template: "{{ messages | tojson }}" },
  ];
  writeFileSync(path, JSON.stringify({ ...config, chat_template }));
  const { outcomes, reasons } = await fuzz({
    seed: "chat template in tokenizer_config.json",
    damage: damageFile(path, new Uint8Array(readFileSync(path)), mutateJsonBytes),
    async read() {
      const tokenizer = await loadTokenizer(dir);
      expect(typeof renderChat(tokenizer, messages, { template: "other" })).toBe("string");
      for (const ids of [
        encodePrompted(tokenizer, CHAT_TEMPLATE_LAYOUT, { prompt: "Be brief.", input: "the <s> cat" }),
        encodeTarget(tokenizer, CHAT_TEMPLATE_LAYOUT, "the dog"),
      ])
        expect(ids.every((id) => Number.isInteger(id) && id >= 0 && id < tokenizer.vocabSize)).toBe(true);
    },
  });
  expect(outcomes["read"]).toBeGreaterThan(50);
  expect(reasons).toBeGreaterThan(5);
});
