/** @file Hostile configurations, data, pairs, layouts and tasks: what each tries. */
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { hostileNames } from "./hostile.ts";
import { type Idea, type Json, many, wrongValue } from "./hostile-values.ts";

export const llama = {
  model_type: "llama",
  hidden_size: 8,
  intermediate_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  vocab_size: 32,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  rope_theta: 1e4,
  eos_token_id: 2,
};
const configKeys = [
  ...Object.keys(llama),
  "rope_scaling",
  "layer_types",
  "head_dim",
  "sliding_window",
  "hidden_act",
  "quantization_config",
  "tie_word_embeddings",
  "torch_dtype",
  "architectures",
];
const hugeNumbers = [0, -1, 0.5, 1e308, 2 ** 31, 2 ** 53, Number.MIN_VALUE];
export const modelConfigs: readonly Idea<Json | string>[] = [
  ["a key of any value", (rng) => ({ ...llama, [rng.pick(configKeys)]: wrongValue(rng) })],
  [
    "two keys of any value",
    (rng) => ({ ...llama, [rng.pick(configKeys)]: wrongValue(rng), [rng.pick(configKeys)]: wrongValue(rng) }),
  ],
  ["numbers", (rng) => ({ ...llama, [rng.pick(Object.keys(llama).slice(1))]: rng.pick(hugeNumbers) })],
  [
    "scaling",
    (rng) => ({
      ...llama,
      rope_scaling: {
        type: rng.pick(["linear", "llama3", "yarn", "\u001b[2J"]),
        factor: rng.pick([...hugeNumbers, null]),
        low_freq_factor: 0,
        high_freq_factor: 0,
      },
    }),
  ],
  [
    "an architecture",
    (rng) => ({ ...llama, model_type: rng.pick([...hostileNames, "x".repeat(1e6), "gemma2", "opt"]) }),
  ],
  [
    "numbers that are none",
    (rng) => JSON.stringify(llama).replace("8,", rng.pick(["1e999,", "NaN,", "-Infinity,", "08,", "0x8,", "'8',"])),
  ],
  [
    "what is no JSON",
    (rng) =>
      rng.pick(["", "{", "null", "[]", '"x"', "[".repeat(1e5), "\u0000", `{"a":${"1".repeat(1e6)}}`, "0,".repeat(1e6)]),
  ],
];

const gz = (bytes: string | Uint8Array) => gzipSync(bytes, { level: 1 });
type Written = { readonly file: string; readonly bytes: string | Uint8Array };
const lines = (file: string, bytes: string | Uint8Array): Written => ({ file, bytes });
export const family = {
  name: "a",
  kind: "routing",
  seen: true,
  paraphrases: { train: ["b"], validation: ["b"], test: [] },
  train: [{ input: "c", target: "d" }],
  validation: [{ input: "c", target: "d" }],
  test: [],
};
export const data: readonly Idea<Written>[] = [
  [
    "line ends",
    (rng) => lines("a.jsonl.gz", Buffer.concat(many(1 + rng.int(64), () => gz(Buffer.alloc(1 << 22, "\n"))))),
  ],
  [
    "spaces",
    (rng) => lines("a.jsonl.gz", gz(Buffer.alloc(1 << 23, rng.pick([" \n", " ", "\r\n", "\u00a0\n", "\t\t\t\n"])))),
  ],
  ["zeros", () => lines("a.jsonl.gz", gz(Buffer.alloc(1 << 24)))],
  ["one long line", (rng) => lines("a.jsonl", `${rng.pick(['"', "[", "{", ""])}${"x".repeat(17 << 20)}`)],
  [
    "a cut file",
    (rng) => lines("a.jsonl.gz", gz(`${JSON.stringify(family)}\n`.repeat(99)).subarray(0, 10 + rng.int(50))),
  ],
  [
    "something behind the file",
    (rng) =>
      lines("a.jsonl.gz", Buffer.concat([gz("{}\n"), Buffer.from(rng.pick(["x", "\u001f\u008b", "\u0000\u0000"]))])),
  ],
  ["packed twice", () => lines("a.jsonl.gz", gz(gz("{}\n")))],
  ["not packed", () => lines("a.jsonl.gz", "{}\n")],
  ["no text", (rng) => lines("a.jsonl", Buffer.from(many(50, () => rng.int(256))))],
  ["depth", (rng) => lines("a.jsonl", "[".repeat(rng.pick([65, 100_000])))],
  ["values without number", () => lines("a.jsonl", `[${"0,".repeat(2e6)}0]\n`)],
  ["numbers", (rng) => lines("a.jsonl", `${rng.pick(["1e999", "-0", "1".repeat(1e6), "NaN", "01", "0x1"])}\n`)],
  ["keys", () => lines("a.jsonl", '{"__proto__":{"name":"x"},"name":"a","name":"b"}\n')],
  [
    "a name that shouts",
    (rng) =>
      lines("a.jsonl", `${JSON.stringify({ ...family, name: rng.pick(hostileNames), [rng.pick(hostileNames)]: 1 })}\n`),
  ],
  [
    "values of any kind",
    (rng) =>
      lines(
        "a.jsonl",
        `${JSON.stringify({ ...family, [rng.pick(["name", "kind", "seen", "paraphrases", "train", "validation", "test", "labels"])]: wrongValue(rng) })}\n`,
      ),
  ],
];

const layoutOf = {
  kind: "special-tokens",
  begin: "<s>",
  system: "<|system|>",
  user: "<|user|>",
  assistant: "<|assistant|>",
  end: "</s>",
  meta: "<meta>",
};
export const pairFile = { format: "lora-gen pair 1", name: "tiny", layout: layoutOf };
const layoutWords = Object.keys(layoutOf);
type Placed = Json | string | ((path: string) => void);
export const pairs: readonly Idea<Placed>[] = [
  ["a name", (rng) => ({ ...pairFile, name: rng.pick(hostileNames) })],
  [
    "a part elsewhere",
    (rng) => ({
      ...pairFile,
      [rng.pick(["cloud", "edge", "generator", "tokenizer", "cloudTokenizer"])]: rng.pick([
        "../pair",
        "/etc",
        ".",
        "a/b/c",
        "a/b@main",
        "~",
        "\u0000",
        "edge\n",
        "C:\\x",
        "..%2f",
      ]),
    }),
  ],
  [
    "a part of the wrong kind",
    (rng) => ({
      ...pairFile,
      [rng.pick(["cloud", "edge", "generator", "tokenizer"])]: rng.pick(["pair.json", "generator", "tokenizer"]),
    }),
  ],
  [
    "a key of any value",
    (rng) => ({
      ...pairFile,
      [rng.pick(["format", "name", "cloud", "edge", "layout", "cloudLayout", "\u001b[2J"])]: wrongValue(rng),
    }),
  ],
  [
    "a long word of a layout",
    (rng) => ({
      ...pairFile,
      layout: { ...layoutOf, [rng.pick(layoutWords)]: "<s>".repeat(rng.pick([2, 1000, 3_500_000])) },
    }),
  ],
  [
    "a word of any value",
    (rng) => ({ ...pairFile, layout: { ...layoutOf, [rng.pick(layoutWords)]: wrongValue(rng) } }),
  ],
  [
    "a token that there is not",
    (rng) => ({ ...pairFile, layout: { ...layoutOf, [rng.pick(layoutWords.slice(1))]: rng.pick(hostileNames) } }),
  ],
  [
    "words",
    (rng) => ({
      ...pairFile,
      layout: {
        kind: "plain",
        beforeInput: rng.pick(["", "a".repeat(4096), "a".repeat(10 << 20), "\u001b[2J"]),
        beforeOutput: rng.pick(["", "\n", "$&"]),
      },
    }),
  ],
  [
    "a chat layout",
    (rng) => ({
      ...pairFile,
      layout: {
        kind: "chat-template",
        [rng.pick(["template", "date", "meta", "system", "defaultSystem"])]: wrongValue(rng),
      },
    }),
  ],
  ["what is no JSON", (rng) => rng.pick(["", "null", "{".repeat(1e5), "\u0000", `{"name":"${"x".repeat(1e6)}`])],
  ["a pipe", () => (path) => void execFileSync("mkfifo", [path])],
  [
    "a file without end",
    (rng) => (path) => symlinkSync(rng.pick(["/proc/self/pagemap", "/dev/zero", "/proc/kmsg", "/dev/random"]), path),
  ],
  ["a link to itself", () => (path) => symlinkSync("pair.json", path)],
  ["a folder", () => (path) => void mkdirSync(path)],
];

export const task = { name: "a", systemPrompt: "Say b.", samples: [{ input: "c", target: "d" }] };
export const tasks: readonly Idea<Json | string>[] = [
  [
    "a key of any value",
    (rng) => ({
      ...task,
      [rng.pick([
        "name",
        "systemPrompt",
        "siblingPrompt",
        "samples",
        "examples",
        "labels",
        "scorer",
        "scorers",
        "maxTokens",
        "seed",
        "stratum",
        "citation",
        "version",
      ])]: wrongValue(rng),
    }),
  ],
  [
    "a sample of any value",
    (rng) => ({ ...task, samples: [wrongValue(rng), { input: wrongValue(rng), target: wrongValue(rng) }] }),
  ],
  ["names", (rng) => ({ ...task, name: rng.pick(hostileNames) })],
  ["samples without number", () => ({ ...task, samples: many(150_000, () => 0) })],
  [
    "choices without number",
    () => ({ ...task, samples: [{ input: "a", target: "b", choices: many(100_000, (i) => `${i}`) }] }),
  ],
  ["text without end", (rng) => ({ ...task, systemPrompt: "x".repeat(rng.pick([2 ** 20, 5 << 20])) })],
  ["what is no JSON", (rng) => rng.pick(["", "null", "[]", "[".repeat(9), '{"name":"a","name":"b"}', "\ufeff{}"])],
];
