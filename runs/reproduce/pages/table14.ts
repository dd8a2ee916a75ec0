/** @file `table14`: the poet. Every answer that was drawn is kept, none is chosen. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { requireRunning } from "../../../src/base/interrupt.ts";
import { readJsonFile, writeJsonFile } from "../../../src/base/json-file.ts";
import { createRng } from "../../../src/base/rng.ts";
import { mean } from "../../../src/eval/statistics.ts";
import { createAnswerer } from "../../../src/pair/answer.ts";
import { loadPair } from "../../../src/pair/pair-file.ts";
import { specialize } from "../../../src/pair/specialize.ts";
import { number, paragraphs, table } from "../markdown.ts";
import { table14 as printed } from "../paper.ts";
import type { Budget, Context, Page } from "../row.ts";
import { oneSeed, pairOf } from "../shipped-pair.ts";

const request = "Write a poem about love.";
const roles = ["prompted", "specialised", "base"] as const;
/** The first answer is greedy, the others are drawn. */
const draws = 4;
const sampling = { temperature: 0.8, topP: 0.95 } as const;
const maxTokens: Readonly<Record<Budget, number>> = { minutes: 48, hours: 200, full: 200 };

const Poem = z.strictObject({
  role: z.enum(roles),
  draw: z.int(),
  maxTokens: z.int(),
  text: z.string(),
  inputTokens: z.int(),
  outputTokens: z.int(),
  /** Until the first token is chosen: what reading takes. */
  readMs: z.number(),
  ms: z.number(),
});
export type Poem = z.infer<typeof Poem>;
const Log = z.strictObject({ weights: z.string(), poems: z.array(Poem) });

/** All answers; those of a run before that was stopped, over the same weights, are not asked again. Throws E_INTERRUPTED, and as `loadPair`. */
export async function askPoet(id: string, context: Context): Promise<Poem[]> {
  const { work, budget, signal, tell } = context;
  const pair = await loadPair(pairOf(id, context));
  const weights = `${pair.edge.sha256} ${pair.generator.sha256}`;
  const path = join(work, "table14.json");
  await mkdir(work, { recursive: true });
  const known = existsSync(path) ? await readJsonFile(path, Log) : undefined;
  const poems = known?.weights === weights ? [...known.poems] : [];
  const most = maxTokens[budget];
  const isOf = (role: Poem["role"], draw: number) => (one: Poem) =>
    one.role === role && one.draw === draw && one.maxTokens === most;
  for (const role of roles) {
    const left = Array.from({ length: draws }, (_, draw) => draw).filter((draw) => !poems.some(isOf(role, draw)));
    if (left.length === 0) continue;
    await using answerer = await createAnswerer(pair, {
      ...(role === "prompted" ? { prompt: printed.prompt } : {}),
      ...(role === "specialised" ? { specialization: await specialize(pair, printed.prompt) } : {}),
      constraint: false,
      reusePrefix: false,
    });
    await answerer.answer(request, { maxTokens: 1 }); // the first run of a session is slower: it is not counted
    for (const draw of left) {
      requireRunning(signal, `${id}: interrupted`);
      const from = performance.now();
      let readMs: number | undefined;
      const drawn = draw === 0 ? {} : { ...sampling, rng: createRng(`poem ${draw}`) };
      const onToken = () => {
        readMs ??= performance.now() - from;
      };
      const { text, inputTokens, outputTokens } = await answerer.answer(request, {
        maxTokens: most,
        onToken,
        ...drawn,
      });
      const ms = performance.now() - from;
      poems.push({ role, draw, maxTokens: most, text, inputTokens, outputTokens, readMs: readMs!, ms });
      await writeJsonFile(path, { weights, poems });
      tell(`${id}: poem ${draw + 1} of ${draws}, ${role}`);
    }
  }
  return roles.flatMap((role) =>
    Array.from({ length: draws }, (_, draw) => draw).flatMap((draw) => poems.find(isOf(role, draw)) ?? []),
  );
}

/** Time and tokens of each role, means over its answers. */
export function poetTable(poems: readonly Poem[]): string {
  const line = (role: Poem["role"]) => {
    const own = poems.filter((poem) => poem.role === role);
    const of = (value: (poem: Poem) => number) => mean(own.map(value));
    const repeated = of(({ text }) => {
      const words = text.toLowerCase().match(/\p{L}+/gu) ?? [];
      return words.length === 0 ? 0 : 1 - new Set(words).size / words.length;
    });
    return [
      role,
      number(
        of(({ inputTokens }) => inputTokens),
        0,
      ),
      number(
        of(({ readMs }) => readMs),
        0,
      ),
      number(
        of(({ outputTokens }) => outputTokens),
        0,
      ),
      number(of(({ ms, readMs, outputTokens }) => (ms - readMs) / Math.max(1, outputTokens - 1))),
      `${number(100 * repeated, 0)} %`,
    ];
  };
  return table(
    ["poet", "tokens read", "ms to read them", "tokens written", "ms a token", "words said before in the answer"],
    roles.map(line),
  );
}

const block = (text: string): string => `\`\`\`text\n${text.replaceAll("```", "'''").trim()}\n\`\`\``;

export async function table14Page(context: Context): Promise<Page> {
  const poems = await askPoet("table14", context);
  const most = maxTokens[context.budget];
  return {
    text: paragraphs(
      `The paper's prompt, read by the model with every input (prompted), put into weights (specialised), or left out (base). The input is \`${request}\`: the paper's is not printed, its answers are about love. For each the greedy answer and ${draws - 1} drawn ones (temperature ${sampling.temperature}, top-p ${sampling.topP}, one seed each), at most ${most} tokens. All of them stand here.`,
      `> ${printed.prompt}`,
      poetTable(poems),
      "One prompt and one input: examples, no measurement. No score says which poem is better, and the answers are not chosen. What can be seen is whether a specialised answer takes the role at all, and what the prompt costs to read.",
      oneSeed,
      "## Answers",
      ...poems.flatMap(({ role, draw, text }) => [
        `**${role}**, ${draw === 0 ? "greedy" : `drawn, seed ${draw}`}:`,
        block(text),
      ]),
      "## The paper's answers (Gemma-2B)",
      "**LoRA-Gen**:",
      block(printed.specialised.join("\n")),
      "**baseline**:",
      block(printed.prompted.join("\n")),
    ),
  };
}
