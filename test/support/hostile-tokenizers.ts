/** @file Hostile `tokenizer.json`, `tokenizer_config.json` and chat templates: what each tries. */
import type { Rng } from "../../src/base/rng.ts";
import { hostileNames } from "./hostile.ts";
import { type Idea, type Json, many, wrongValue } from "./hostile-values.ts";

/** Expressions that search for ever, or take as much as they can, elsewhere. */
const expressions = [
  "(a+)+$",
  "(a|aa)+$",
  "(a|a?)+b",
  "(?:(?:a*)*)*b",
  "(.*)*\\d",
  "(\\w+\\s?)+!",
  "^(([a-z])+.)+[A-Z]([a-z])+$",
  "(?=(a+))a*b",
  "(?<=(a+)+)c",
  "a{0,50}a{0,50}a{0,50}b",
  "(?:a{9}){9}{9}",
  "((((a{9}){9}){9}){9}){9}",
  "(?:){999999999}",
  "(a)\\1+",
  "(?<n>a)\\k<n>",
  "(?i:a+)+$",
  "[[:alpha:]&&[^a]]+|(\\p{L}|a)+$",
  "[".repeat(300),
  "(".repeat(2000) + ")".repeat(2000),
  "(?:a|b|ab)*?c",
  "\\p{Nonsense}+",
  "(?!(?!(?!(a+)+$)))a",
  "|".repeat(4000),
  "\\b(a|\\b)*\\B$",
  "",
  "\\",
];
const patternOf = (rng: Rng) => ({ Regex: rng.pick(expressions) });
const split = (rng: Rng) => ({
  type: "Split",
  pattern: patternOf(rng),
  behavior: rng.pick(["Isolated", "Removed", "MergedWithNext", "MergedWithPrevious", "Contiguous"]),
  invert: rng.int(2) === 0,
});
const replace = (pattern: unknown, content: unknown) => ({ type: "Replace", pattern, content });
const sequence = (key: string, list: readonly unknown[]) => ({ type: "Sequence", [key]: list });
const keyOf = {
  normalizer: "normalizers",
  pre_tokenizer: "pretokenizers",
  post_processor: "processors",
  decoder: "decoders",
};
type Chain = keyof typeof keyOf;
const chainNames = Object.keys(keyOf) as Chain[];
const ladder = (length: number) => many(length, (i) => "a".repeat(i + 1));
export const special = (content: string, id: number, more: Json = {}) => ({ id, content, special: true, ...more });

/** What a step may be called, and what it may say. */
const stepTypes =
  "BertNormalizer Precompiled Replace NFC NFKD Strip StripAccents Lowercase Prepend BertPreTokenizer Whitespace WhitespaceSplit Metaspace ByteLevel Split Punctuation Digits FixedLength TemplateProcessing BertProcessing RobertaProcessing WordPiece BPEDecoder CTC Fuse ByteFallback Sequence Nmt constructor".split(
    " ",
  );
const stepKeys =
  "pattern content prepend replacement prepend_scheme split behavior invert individual_digits length single pair special_tokens cls sep prefix suffix cleanup pad_token start stop strip_left add_prefix_space use_regex normalizers pretokenizers processors decoders".split(
    " ",
  );

export const tokenizers: readonly Idea<Json>[] = [
  ["an expression in Split", (rng) => ({ pre_tokenizer: split(rng) })],
  ["an expression in a normaliser", (rng) => ({ normalizer: replace(patternOf(rng), rng.pick(["", "$&", "aa"])) })],
  ["an expression in a pre-tokenizer", (rng) => ({ pre_tokenizer: replace(patternOf(rng), "b") })],
  [
    "an expression in a decoder",
    (rng) => ({ decoder: sequence("decoders", [{ type: "Fuse" }, replace(patternOf(rng), "$`")]) }),
  ],
  [
    "many expressions",
    (rng) => ({
      pre_tokenizer: sequence(
        "pretokenizers",
        many(1 + rng.int(20), () => split(rng)),
      ),
    }),
  ],
  [
    "one expression of all",
    (rng) => ({
      pre_tokenizer: {
        ...split(rng),
        pattern: {
          Regex: expressions
            .slice(0, 4 + rng.int(6))
            .map((e) => `(?:${e})`)
            .join("|"),
        },
      },
    }),
  ],
  [
    "a long choice",
    (rng) => ({
      pre_tokenizer: {
        ...split(rng),
        pattern: {
          Regex: many(100 + rng.int(300), (i) => `a{0,3}${i}`)
            .join("|")
            .slice(0, 4000),
        },
      },
    }),
  ],
  [
    "nothing for a step",
    (rng) => {
      const chain = rng.pick(chainNames);
      return {
        [chain]: sequence(keyOf[chain], [
          rng.pick([null, undefined, 0, "", []]),
          ...many(20, () => replace({ String: "a" }, "aaaa")),
        ]),
      };
    },
  ],
  [
    "sequences within each other",
    (rng) => {
      const chain = rng.pick(chainNames);
      return {
        [chain]: many(5 + rng.int(20), () => 0).reduce<unknown>((inner) => sequence(keyOf[chain], [inner, inner]), {
          type: "Lowercase",
        }),
      };
    },
  ],
  [
    "thousands of steps",
    (rng) => {
      const chain = rng.pick(chainNames);
      return {
        [chain]: sequence(
          keyOf[chain],
          many(10_000, () => ({ type: rng.pick(stepTypes) })),
        ),
      };
    },
  ],
  [
    "growth",
    (rng) => {
      const chain = rng.pick(["normalizer", "pre_tokenizer", "decoder"] as const);
      return {
        [chain]: sequence(
          keyOf[chain],
          many(1 + rng.int(12), () => replace({ String: rng.pick(["a", ""]) }, "a".repeat(1 + rng.int(9)))),
        ),
      };
    },
  ],
  ["long contents", (rng) => ({ normalizer: replace({ String: "a" }, "$`".repeat(1 + rng.int(4000))) })],
  [
    "prefixes",
    (rng) => ({
      normalizer: sequence(
        "normalizers",
        many(rng.int(64), () => ({ type: "Prepend", prepend: "a".repeat(rng.int(99)) })),
      ),
    }),
  ],
  [
    "bytes of bytes",
    (rng) => ({
      pre_tokenizer: sequence(
        "pretokenizers",
        many(1 + rng.int(8), () => ({ type: "ByteLevel", add_prefix_space: rng.int(2) === 0 })),
      ),
    }),
  ],
  [
    "spaces of any mark",
    (rng) => ({
      pre_tokenizer: {
        type: "Metaspace",
        replacement: rng.pick(["", "$", "$&", "aa", "\ud83d", "▁"]),
        prepend_scheme: rng.pick(["first", "always", "x"]),
      },
    }),
  ],
  [
    "lengths",
    (rng) => ({ pre_tokenizer: { type: "FixedLength", length: rng.pick([0, -1, 1e-9, 0.5, 1, 1e308, "1", null]) } }),
  ],
  [
    "a template of thousands",
    (rng) => ({
      post_processor: {
        type: "TemplateProcessing",
        single: many(rng.pick([200, 10_000]), () => ({ Sequence: { id: "A" } })),
      },
    }),
  ],
  [
    "templates of templates",
    (rng) => ({
      post_processor: sequence(
        "processors",
        many(1 + rng.int(9), () => ({
          type: "TemplateProcessing",
          single: many(3, () => ({ Sequence: { id: "A" } })),
        })),
      ),
    }),
  ],
  [
    "tokens around a text that there are not",
    (rng) => ({
      post_processor: {
        type: rng.pick(["BertProcessing", "RobertaProcessing"]),
        cls: rng.pick([["x", 1], "x", [], [1, "x"]]),
        sep: ["y", 2],
      },
    }),
  ],
  [
    "a step of any kind in any chain",
    (rng) => ({
      [rng.pick(chainNames)]: {
        type: rng.pick(stepTypes),
        [rng.pick(stepKeys)]: wrongValue(rng),
        [rng.pick(stepKeys)]: wrongValue(rng),
      },
    }),
  ],
  [
    "a key of any value",
    (rng) => ({ [rng.pick([...chainNames, "added_tokens", "model", "version", "truncation"])]: wrongValue(rng) }),
  ],
  [
    "a model's key of any value",
    (rng) => ({
      model: {
        type: rng.pick(["BPE", "Unigram", "WordPiece", "WordLevel", undefined, "x"]),
        vocab: { a: 0, b: 1 },
        merges: [],
        [rng.pick(
          "type vocab merges unk_token unk_id fuse_unk byte_fallback ignore_merges end_of_word_suffix continuing_subword_prefix continuing_subword_suffix max_input_chars_per_word dropout".split(
            " ",
          ),
        )]: wrongValue(rng),
      },
    }),
  ],
  [
    "a vocabulary like a ladder",
    (rng) => ({
      model: { type: "Unigram", unk_id: 0, vocab: ladder(rng.pick([64, 1024, 1500])).map((token, i) => [token, -i]) },
    }),
  ],
  [
    "merges like a ladder",
    (rng) => {
      const rungs = ladder(rng.pick([64, 1024]));
      return {
        model: {
          type: "BPE",
          unk_token: "a",
          vocab: Object.fromEntries(rungs.map((token, id) => [token, id])),
          merges: rungs.map((token) => [token, "a"]),
        },
      };
    },
  ],
  [
    "words like a ladder",
    () => ({
      model: {
        type: "WordPiece",
        unk_token: "a",
        continuing_subword_prefix: "",
        max_input_chars_per_word: 1000,
        vocab: Object.fromEntries(ladder(1000).map((token, id) => [token, id])),
      },
    }),
  ],
  [
    "scores",
    (rng) => ({
      model: {
        type: "Unigram",
        unk_id: rng.pick([0, 5, -1, 1.5, null]),
        vocab: many(4, (i) => [rng.pick(["a", "", "b", "\ud800"]), rng.pick([0, -1e308, 1e308, -i])]),
      },
    }),
  ],
  [
    "ids",
    (rng) => ({
      model: {
        type: "BPE",
        merges: [],
        vocab: { a: rng.pick([0, 7, -1, 0.5, 2 ** 31, 999_999]), b: rng.pick([0, 1, 2]), __proto__: 3, constructor: 1 },
      },
    }),
  ],
  [
    "merges",
    (rng) => ({
      model: {
        type: "BPE",
        vocab: { a: 0, b: 1, ab: 2 },
        merges: [
          rng.pick(["a b", ["a", "b"], ["a", "b", "c"], "ab", null, 1]),
          rng.pick(["b a", ["b", "a"], ["", ""], "  "]),
        ],
      },
    }),
  ],
  [
    "a token that begins like every text",
    (rng) => ({ added_tokens: [special(`${"a".repeat(rng.pick([100, 511, 5000]))}!`, 9)] }),
  ],
  [
    "a hundred thousand added tokens",
    (rng) => ({
      added_tokens: many(rng.pick([100_000, 200_000]), (i) =>
        special(`<${i}>`, 10 + i, { normalized: rng.int(2) === 0 }),
      ),
      normalizer: sequence(
        "normalizers",
        many(rng.int(30), () => ({ type: "NFKD" })),
      ),
    }),
  ],
  [
    "added tokens that take in space",
    (rng) => ({
      added_tokens: many(3, (i) =>
        special(rng.pick(["a", " ", "\n", "aa", "a a"]), i, {
          lstrip: true,
          rstrip: true,
          normalized: rng.int(2) === 0,
          special: rng.int(2) === 0,
        }),
      ),
    }),
  ],
  [
    "names of added tokens",
    (rng) => ({ added_tokens: hostileNames.map((content, i) => special(content, rng.int(4) === 0 ? 9 : 10 + i)) }),
  ],
  [
    "a normaliser that leaves nothing of tokens",
    () => ({
      normalizer: replace({ Regex: "(?s:.)|." }, ""),
      added_tokens: [special("a", 9, { normalized: true, special: false })],
    }),
  ],
  [
    "suffixes",
    (rng) => ({
      model: {
        type: "BPE",
        vocab: { a: 0, "a</w>": 1, b: 2 },
        merges: [],
        unk_token: "b",
        end_of_word_suffix: rng.pick(["</w>", "", "a", "x".repeat(65)]),
        continuing_subword_suffix: rng.pick(["@@", "a"]),
      },
      decoder: { type: "BPEDecoder", suffix: rng.pick(["</w>", "", "a"]) },
    }),
  ],
];

export const templates: readonly Idea<string>[] = [
  ["a loop of loops", (rng) => `${`{% for a in range(9999) %}`.repeat(1 + rng.int(4))}x${"{% endfor %}".repeat(4)}`],
  [
    "a range",
    (rng) =>
      `{% for i in range(${rng.pick(["10**9", "-1", "1e308", "99999999999999999999", "0, 10**12, 1"])}) %}x{% endfor %}`,
  ],
  ["doubling", (rng) => `{% set a = 'x' %}${"{% set a = a ~ a %}".repeat(rng.int(60))}{{ a }}`],
  ["replacing", () => "{% set a = 'a' * 1000 %}{{ a | replace('a', 'a' * 1000) | replace('a', 'a' * 1000) }}"],
  ["joining", () => "{{ range(1000) | join('x' * 100000) }}"],
  ["a macro that calls itself", () => "{% macro f(x) %}{{ f(x ~ x) }}{% endmacro %}{{ f('a') }}"],
  ["depth", (rng) => `{{ ${"(".repeat(rng.pick([100, 5000]))}1${")".repeat(100)} }}`],
  ["conditions", (rng) => "{% if true %}".repeat(rng.pick([10, 3000]))],
  [
    "an exception that shouts",
    (rng) => `{{ raise_exception('${rng.pick(["\u001b[2J", "\u202e", "\u0007", "a\nerror E_FAKE: b"])}') }}`,
  ],
  [
    "no such thing",
    (rng) =>
      `{{ ${rng.pick(["x.y.z", "messages[99].content", "messages.__proto__.x", "constructor", "self", "messages[0].constructor.constructor('return 1')()"])} }}`,
  ],
  ["a slice", (rng) => `{{ ('a' * 9999)[${rng.pick(["::-1", "::0", "1e9:", ":-1e308"])}] }}`],
  [
    "a filter",
    (rng) =>
      `{{ 'a' | ${rng.pick(["indent(10**9)", "tojson(indent=10**9)", "center(10**9)", "batch(0)", "nonsense", "format(1)"])} }}`,
  ],
  ["dates", () => "{{ strftime_now('%Y' * 100000) }}"],
  ["special tokens by the thousand", () => "{{ (bos_token ~ eos_token) * 5000 }}{{ messages[0].content }}"],
  [
    "what is no template",
    (rng) => rng.pick(["{%", "{{", "{#", "{% for %}", "{{ '", "\u0000", "{% endfor %}", "%}".repeat(9999)]),
  ],
  ["a megabyte", () => "x".repeat(2 ** 20)],
];

export const configs: readonly Idea<Json>[] = [
  [
    "a token of any value",
    (rng) => ({ [rng.pick(["bos_token", "eos_token", "pad_token", "unk_token"])]: wrongValue(rng) }),
  ],
  [
    "a key of any value",
    (rng) => ({
      [rng.pick([
        "chat_template",
        "add_bos_token",
        "additional_special_tokens",
        "target_lang",
        "added_tokens_decoder",
        "model_max_length",
      ])]: wrongValue(rng),
    }),
  ],
  ["special tokens without end", () => ({ additional_special_tokens: many(200_000, (i) => `<${i}>`) })],
  ["names", (rng) => ({ bos_token: rng.pick(hostileNames), eos_token: { content: rng.pick(hostileNames) } })],
  [
    "many templates",
    (rng) => ({
      chat_template: many(rng.pick([3, 150]), (i) => ({
        name: rng.pick(["default", `${i}`, "\u001b[2J"]),
        template: "{% for",
      })),
    }),
  ],
];
