/** @file Hostile text files, each made to mean something to its reader: tokenizers, chat templates, configurations, data, pairs, layouts, tasks. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { recordingContext } from "../../test/support/cli-context.ts";
import { readHostile } from "../../test/support/hostile.ts";
import { data, family, llama, modelConfigs, pairFile, pairs, task, tasks } from "../../test/support/hostile-texts.ts";
import { configs, special, templates, tokenizers } from "../../test/support/hostile-tokenizers.ts";
import type { Idea } from "../../test/support/hostile-values.ts";
import { writeTinyPair } from "../../test/support/tiny-pair.ts";
import { readTaskFamilies } from "../data/family-file.ts";
import { readTaskFiles } from "../data/task-file.ts";
import { readJsonl } from "../files/jsonl.ts";
import { readModelConfig } from "../models/config-file.ts";
import { loadPair } from "../pair/pair-file.ts";
import { CHAT_TEMPLATE_LAYOUT } from "../text/chat-layout.ts";
import { encodeConversation, encodeInput, encodeTarget } from "../text/prompt.ts";
import { loadTokenizer, type Tokenizer } from "../text/tokenizer-file.ts";
import { printError } from "./output.ts";

/** In the order of the table, again and again with other random choices. */
const pick = <T>(ideas: readonly Idea<T>[], i: number): Idea<T> => ideas[i % ideas.length]!;

/** Reads, and says what was refused as the command line does: nothing of it may command a terminal. */
const spoken = (read: () => Promise<void>) => async (): Promise<void> => {
  try {
    await read();
  } catch (error) {
    const { context, written } = recordingContext();
    printError(context, { json: true }, error);
    expect(written.stderr).toMatch(/^error E_[A-Z_]+: /);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    const commands = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
    expect(written.stderr + written.stdout).not.toMatch(commands);
    expect(written.stderr.length).toBeLessThan(6000);
    throw error;
  }
};

const folder = mkdtempSync(join(tmpdir(), "hostile-"));
/** An empty folder for one file. */
function fresh(): string {
  const one = join(folder, "one");
  rmSync(one, { recursive: true, force: true });
  mkdirSync(one);
  return one;
}
// tokenizer.json ------------------------------------------------------------------------------------------------------

const hostileTexts = [
  "the cat",
  `${"a".repeat(20_000)}!`,
  "a b ".repeat(2000),
  " ".repeat(5000) + "\n".repeat(5000),
  "\ufeff\u0085½日本語😀\ud83d\udc00\u0000<s>[UNK]</w>",
  "",
];

function useTokenizer(tokenizer: Tokenizer): void {
  for (const text of hostileTexts)
    for (const options of [{}, { addSpecial: true, parseSpecial: true }]) {
      const ids = tokenizer.encode(text, options);
      expect(ids.every((id) => Number.isInteger(id) && id >= 0 && id < tokenizer.vocabSize)).toBe(true);
      expect(typeof tokenizer.decode(ids.slice(0, 5000), { skipSpecial: options.addSpecial === true })).toBe("string");
    }
}

const model = {
  type: "BPE",
  vocab: { a: 0, b: 1, "!": 2, " ": 3, "<unk>": 4 },
  merges: [["a", "a"]],
  unk_token: "<unk>",
};

test("140 hostile tokenizer.json", async () => {
  const outcomes = await readHostile("hostile tokenizers", 140, (rng, i) => {
    const dir = fresh();
    const [name, make] = pick(tokenizers, i);
    writeFileSync(join(dir, "tokenizer.json"), JSON.stringify({ added_tokens: [], model, ...make(rng) }));
    writeFileSync(join(dir, "tokenizer_config.json"), "{}");
    return { name, read: spoken(async () => useTokenizer(await loadTokenizer(dir))) };
  });
  expect(outcomes["read"]).toBeGreaterThan(20);
});

// tokenizer_config.json, chat templates -------------------------------------------------------------------------------

test("90 hostile tokenizer_config.json and chat templates", async () => {
  const outcomes = await readHostile("hostile templates", 90, (rng, i) => {
    const dir = fresh();
    const isTemplate = i % 3 < 2;
    const [name, value] = isTemplate
      ? ((idea) => [idea[0], { chat_template: idea[1](rng) }] as const)(pick(templates, i))
      : ((idea) => [idea[0], idea[1](rng)] as const)(pick(configs, i));
    writeFileSync(
      join(dir, "tokenizer.json"),
      JSON.stringify({ added_tokens: [special("<s>", 5), special("</s>", 6)], model }),
    );
    const isFile = isTemplate && rng.int(2) === 0;
    if (isFile) writeFileSync(join(dir, "chat_template.jinja"), (value as { chat_template: string }).chat_template);
    writeFileSync(
      join(dir, "tokenizer_config.json"),
      JSON.stringify({ bos_token: "<s>", eos_token: "</s>", ...(isFile ? {} : value) }),
    );
    const read = spoken(async () => {
      const tokenizer = await loadTokenizer(dir);
      const history = [{ input: "a", output: "b" }];
      encodeInput(tokenizer, CHAT_TEMPLATE_LAYOUT, "a <s> b");
      encodeConversation(tokenizer, CHAT_TEMPLATE_LAYOUT, { prompt: "a", history, input: "b" });
      encodeTarget(tokenizer, CHAT_TEMPLATE_LAYOUT, "a");
    });
    return { name, read };
  });
  expect(Object.keys(outcomes).length).toBeGreaterThan(2);
});

// config.json ---------------------------------------------------------------------------------------------------------

test("60 hostile config.json", async () => {
  await readHostile("hostile configurations", 60, (rng, i) => {
    const dir = fresh();
    const [name, make] = pick(modelConfigs, i);
    const value = make(rng);
    writeFileSync(join(dir, "config.json"), typeof value === "string" ? value : JSON.stringify(value));
    return { name, read: spoken(async () => void (await readModelConfig(dir))) };
  });
});

// Data: .jsonl and .jsonl.gz ------------------------------------------------------------------------------------------

test("60 hostile .jsonl and .jsonl.gz", async () => {
  await readHostile("hostile data", 60, (rng, i) => {
    const [name, make] = pick(data, i);
    const { file, bytes } = make(rng);
    const path = join(fresh(), file);
    writeFileSync(path, bytes);
    const read = spoken(async () => {
      for await (const _ of readJsonl(path));
      await readTaskFamilies([path]);
    });
    return { name, read };
  });
});

// Pairs and layouts ---------------------------------------------------------------------------------------------------

const pair = join(folder, "pair");
beforeAll(async () => void (await writeTinyPair(pair)));

test("70 hostile pair.json and layouts", async () => {
  const outcomes = await readHostile("hostile pairs", 70, (rng, i) => {
    const dir = fresh();
    for (const part of ["cloud", "edge", "generator", "tokenizer"]) symlinkSync(join(pair, part), join(dir, part));
    const [name, make] = pick(pairs, i);
    const placed = make(rng);
    const path = join(dir, "pair.json");
    if (typeof placed === "function") placed(path);
    else writeFileSync(path, typeof placed === "string" ? placed : JSON.stringify(placed));
    const read = spoken(async () => {
      const { tokenizer, layout, cloudLayout } = await loadPair(dir);
      for (const one of [layout, cloudLayout]) {
        encodeConversation(tokenizer, one, { prompt: "a", history: [{ input: "b", output: "c" }], input: "d" });
        encodeTarget(tokenizer, one, "a");
      }
    });
    return { name, read };
  });
  expect(outcomes["read"]).toBeGreaterThan(1);
});

// Task files ----------------------------------------------------------------------------------------------------------

test("35 hostile task files", async () => {
  await readHostile("hostile tasks", 35, (rng, i) => {
    const [name, make] = pick(tasks, i);
    const value = make(rng);
    const path = join(fresh(), rng.pick(["a.json", "a.jsonl"]));
    writeFileSync(path, typeof value === "string" ? value : JSON.stringify(value));
    return { name, read: spoken(async () => void (await readTaskFiles([path]))) };
  });
});

test("each of these files is read before anything is made hostile in it", async () => {
  const dir = fresh();
  const write = (name: string, value: unknown) => {
    writeFileSync(join(dir, name), JSON.stringify(value));
    return join(dir, name);
  };
  for (const part of ["cloud", "edge", "generator", "tokenizer"]) symlinkSync(join(pair, part), join(dir, part));
  write("pair.json", pairFile);
  write("config.json", llama);
  write("tokenizer.json", { added_tokens: [], model });
  write("tokenizer_config.json", {});
  expect((await loadPair(dir)).name).toBe("tiny");
  expect((await readModelConfig(dir)).layers).toBe(2);
  useTokenizer(await loadTokenizer(dir));
  expect(await readTaskFamilies([write("a.jsonl", family)])).toHaveLength(1);
  expect(await readTaskFiles([write("a.json", task)])).toHaveLength(1);
});
