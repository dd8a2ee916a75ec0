import { expect, test } from "vitest";
import { talkativeModel, smallTokenizer as tokenizer } from "../../test/support/talkative-model.ts";
import { EvalTask } from "../data/eval-task.ts";
import { createDecoder } from "../decode/decoder.ts";
import { readPrefix } from "../decode/prefix.ts";
import type { Subject } from "../methods/method.ts";
import type { NamedMethod } from "../methods/table.ts";
import { CHAT_TEMPLATE_LAYOUT } from "../text/chat-layout.ts";
import { SPECIAL_TOKEN_LAYOUT } from "../text/prompt.ts";
import { encodeQuery } from "./ask.ts";
import { evaluate } from "./run-eval.ts";

const model = talkativeModel(3);
const subject: Subject = { name: "talker", sha256: "abc", model, tokenizer, layout: SPECIAL_TOKEN_LAYOUT };
const encode = (text: string) => tokenizer.encode(text, { addSpecial: true });

const tasks = {
  text: EvalTask.parse({
    name: "continue",
    systemPrompt: "Go on.",
    layout: "text",
    examples: [
      { input: "a band", target: "an" },
      { input: "banana", target: "na na" },
    ],
    samples: [
      { input: "banana band ", target: "a na", choices: ["a na", "an", "naïve café"] },
      { input: "an ananas", target: "band", choices: ["band", "banana bandana"] },
    ],
  }),
  blank: EvalTask.parse({
    name: "fill",
    systemPrompt: "Fill.",
    layout: "blank",
    examples: [
      { input: "an _ band", target: "a" },
      { input: "_ na", target: "ba" },
    ],
    samples: [
      { input: "the band, _ a banana.", target: "ban", choices: ["ban", "bandana na"] },
      { input: "a _", target: "na", choices: ["na", "an"] },
    ],
  }),
};

/** What is read and what counts of each choice, written down by hand: the harness's contexts and continuations. */
const pairs: Record<keyof typeof tasks, readonly (readonly (readonly [string, string])[])[]> = {
  text: [
    [
      ["banana band", "  a na"],
      ["banana band", "  an"],
      ["banana band", "  naïve café"],
    ],
    [
      ["an ananas", " band"],
      ["an ananas", " banana bandana"],
    ],
  ],
  blank: [
    [
      ["the band, ban", " a banana."],
      ["the band, bandana na", " a banana."],
    ],
    [
      ["a na", " "],
      ["a an", " "],
    ],
  ],
};
const shots = { text: "a band an\n\nbanana na na\n\n", blank: "an a band\n\nba na\n\n" };

/** The harness's own rule: both encoded together, less as many tokens as the context has. */
async function expected(pair: readonly (readonly [string, string])[], before: string): Promise<number[]> {
  await using decoder = await createDecoder(model, { threads: 1 });
  const values: number[] = [];
  for (const [context, continuation] of pair) {
    const head = encode(before + context);
    const [value] = await decoder.score(head, [encode(before + context + continuation).slice(head.length)]);
    values.push(value!);
  }
  return values;
}

/** The subject's own beginning token as a prefix: the same numbers by the other way of asking. */
const prefixed: NamedMethod = {
  name: "prefixed",
  summary: "keys and values of one text in front",
  needs: { training: "nothing", beside: "nothing" },
  prepare: async ({ model: edge }) => ({
    model: edge,
    prefix: await readPrefix(edge, { tokens: encode("a na ") }),
    cost: { seconds: 0, flops: 0, bytes: 0, examples: 0 },
  }),
};

test.each(["text", "blank"] as const)(
  "layout %s: a choice is as likely as the harness's continuation is behind its context, shots in front or not",
  async (layout) => {
    const options = { methods: ["base", "prompted-2shot"], threads: 1, timedQueries: 1 };
    const { lines } = await evaluate(subject, [tasks[layout]], options);
    expect(lines).toHaveLength(4);
    for (const { method, sample, logLikelihoods, choices, answer } of lines) {
      const wanted = await expected(pairs[layout][sample]!, method === "base" ? "" : shots[layout]);
      expect(logLikelihoods!.length).toBe(wanted.length);
      wanted.forEach((value, i) => {
        expect(Math.abs(value - logLikelihoods![i]!), `${method} ${sample} ${i}`).toBeLessThan(1e-3);
      });
      expect(answer).toBe(choices![wanted.indexOf(Math.max(...wanted))]);
    }
  },
);

test("behind a prefix what counts is the same part of each choice", async () => {
  const { lines } = await evaluate(subject, [tasks.blank], { methods: [prefixed], threads: 1, timedQueries: 0 });
  await using decoder = await createDecoder(model, {
    threads: 1,
    prefix: await readPrefix(model, { tokens: encode("a na ") }),
  });
  const [{ logLikelihoods }] = lines as [(typeof lines)[0]];
  for (const [i, [context, continuation]] of pairs.blank[0]!.entries()) {
    const head = encode(context);
    const [value] = await decoder.score(head, [encode(context + continuation).slice(head.length)]);
    expect(Math.abs(value! - logLikelihoods![i]!)).toBeLessThan(1e-3);
  }
});

test("plain text needs choices, and a blank exactly one", () => {
  const { samples: _, ...rest } = tasks.blank;
  const refuses = (task: object, message: string) => expect(() => EvalTask.parse(task)).toThrow(message);
  refuses({ ...rest, layout: "text", samples: [{ input: "a", target: "b" }] }, "expected choices for layout text");
  for (const input of ["none", "_ and _"])
    refuses({ ...rest, samples: [{ input, target: "a", choices: ["a", "b"] }] }, "expected one blank");
});

test("behind a prefix that takes a prompt's place a text goes on without a begin token; else it begins with one", () => {
  const [sample] = tasks.text.samples;
  const asked = { choices: sample!.choices!, context: undefined, textLayout: "text" } as const;
  const begun = encodeQuery(subject, sample!, asked);
  expect(begun.prompt[0]).toBe(tokenizer.bosId);
  expect(encodeQuery({ ...subject, behind: "Go on." }, sample!, asked)).toEqual({
    ...begun,
    prompt: begun.prompt.slice(1),
  });
});

test("a model without a chat template is asked plain text, and refused where a question would be laid out by one", async () => {
  const bare = { ...subject, layout: CHAT_TEMPLATE_LAYOUT };
  const options = { methods: ["base"], threads: 1, timedQueries: 0 };
  expect((await evaluate(bare, [tasks.text], options)).lines.map(({ finish }) => finish)).toEqual(["choice", "choice"]);
  const written = EvalTask.parse({ name: "say", systemPrompt: "Say.", samples: [{ input: "a", target: "b" }] });
  await expect(evaluate(bare, [tasks.text, written], options)).rejects.toMatchObject({
    code: "E_CONFIG",
    message: expect.stringContaining("chat template") as unknown,
  });
});
