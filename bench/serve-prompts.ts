/**
 * @file `serve-prompts`: 200 prompts of about 600 tokens behind one small model. Ours answers by their gates; llama.cpp's server reads the
 * prompts, with its cache of prompts as large as it wants (hot) and without one (cold). The same file of weights, the same questions.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { AppError } from "../src/base/errors.ts";
import { createRng, type Rng } from "../src/base/rng.ts";
import { mean } from "../src/eval/statistics.ts";
import { openStore } from "../src/server/store/store.ts";
import type { Tokenizer } from "../src/text/tokenizer-file.ts";
import { atLeast, atMost, type Bench, type BenchResult, median, medians, pairedRatio } from "./support/bench.ts";
import { publishedModel } from "./support/bench-pair.ts";
import { llamaServer, startLlamaServer } from "./support/llama-server.ts";
import { watchMemory } from "./support/memory.ts";
import { logErrors, requestLoad } from "./support/request-load.ts";
import { openServedPair, questions, randomSpecialization } from "./support/served-pair.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";
import { startScript } from "./support/worker.ts";

const worker = fileURLToPath(new URL("./serve-worker.ts", import.meta.url));
/** Without a cache a request takes about two seconds: fewer of them have the same rate. */
const sizes = {
  whole: { prompts: 200, promptTokens: 600, connections: 64, requests: 1000, coldRequests: 100, rounds: 3 },
  quick: { prompts: 4, promptTokens: 60, connections: 4, requests: 12, coldRequests: 4, rounds: 1 },
} as const;
const maxTokens = 4;
/** Requests that either works on at once; llama.cpp's server has room for a prompt, a question and an answer in each. */
const slots = 32;
const slotTokens = 768;
/** Of its cache of prompts: 200 of 600 tokens need about 2,800. */
const cacheMegabytes = 8192;

const things = [
  "parcel",
  "invoice",
  "refund",
  "password",
  "address",
  "screen",
  "battery",
  "voucher",
  "contract",
  "meter",
];
const actions = [
  "answer with the one word",
  "send it to the desk called",
  "ask for the number that begins with",
  "say no more than",
];

/** A shop's rules, drawn anew for each, until they have so many tokens. */
function promptOf(rng: Rng, { encode }: Tokenizer, tokens: number): string {
  let text = `You work for shop ${rng.int(1_000_000)}.`;
  while (encode(text).length < tokens)
    text += ` Where somebody writes of a ${rng.pick(things)} and of a ${rng.pick(things)}, ${rng.pick(actions)} ${rng.pick(things)}${rng.int(100)}.`;
  return text;
}

type Way = "ours" | "llama.cpp, hot" | "llama.cpp, cold";
type Message = { readonly role: "system" | "user"; readonly content: string };

const Answered = z.object({ usage: z.object({ completion_tokens: z.number() }) });

/** Returns how many tokens were answered. */
async function post(url: string, body: object): Promise<number> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...body, max_tokens: maxTokens, temperature: 0 }),
  });
  if (!response.ok) throw new Error(`status ${response.status}: ${await response.text()}`);
  return Answered.parse(await response.json()).usage.completion_tokens;
}

export const servePrompts: Bench = {
  run: async (options): Promise<BenchResult> => {
    const { prompts, promptTokens, connections, requests, coldRequests, rounds } =
      sizes[options.quick ? "quick" : "whole"];
    const { threads, log } = options;
    if (options.pair !== undefined)
      throw new AppError(
        "E_USAGE",
        "--pair: serve-prompts compares the file of the pair that ships, which llama.cpp reads too",
      );
    await using temporary = temporaryFolder("bench-serve-prompts");
    const { path: folder } = temporary;
    const program = await llamaServer(options);
    const pair = await openServedPair(folder, createRng("serve"), options);
    const rng = createRng("serve prompts");
    const texts = Array.from({ length: prompts }, (_, i) =>
      promptOf(rng.split(`prompt ${i}`), pair.tokenizer, promptTokens),
    );
    const store = await openStore(join(folder, "store"));
    for (let tenant = 0; tenant < prompts; tenant++)
      await store.put("main", `tenant-${tenant}`, randomSpecialization(pair, rng.split(`tenant ${tenant}`)));

    const { worker: service, ready } = await startScript(worker, [
      pair.directory,
      join(folder, "store"),
      String(threads),
      String(slots),
    ]);
    await using _ = service;
    const settings = [
      "-m",
      publishedModel,
      "-t",
      String(threads),
      "-tb",
      String(threads),
      "-np",
      String(slots),
      "-c",
      String(slots * slotTokens),
      // A connection keeps a thread of its own: with fewer of them some would wait until all others have been answered.
      "--threads-http",
      String(connections + 8),
    ];
    // More memory than all prompts need; "no limit" would be less, for then it counts tokens instead.
    await using hot = await startLlamaServer(program, [...settings, "--cache-ram", String(cacheMegabytes)]);
    await using cold = await startLlamaServer(program, [...settings, "--cache-ram", "0"]);
    const memory = {
      ours: watchMemory(service.pid),
      "llama.cpp, hot": watchMemory(hot.pid),
      "llama.cpp, cold": watchMemory(cold.pid),
    } as const satisfies Record<Way, unknown>;

    const user = (question: string): Message => ({ role: "user", content: question });
    const asPrompted = (prompt: number, question: string): Message[] => [
      { role: "system", content: texts[prompt]! },
      user(question),
    ];
    const { url } = ready as { url: string };
    const ask: Readonly<Record<Way, (prompt: number, question: string) => Promise<number>>> = {
      ours: (prompt, question) => post(url, { model: `tenant-${prompt}`, messages: [user(question)] }),
      "llama.cpp, hot": (prompt, question) =>
        post(hot.url, { messages: asPrompted(prompt, question), cache_prompt: true }),
      "llama.cpp, cold": (prompt, question) =>
        post(cold.url, { messages: asPrompted(prompt, question), cache_prompt: false }),
    };
    const ways = Object.keys(ask) as Way[];
    const raw: Record<Way, number[]> = { ours: [], "llama.cpp, hot": [], "llama.cpp, cold": [] };
    const tokensOf: Record<Way, number[]> = { ours: [], "llama.cpp, hot": [], "llama.cpp, cold": [] };
    let errors = 0;
    const round = async (
      way: Way,
      count: number,
      promptAt: (i: number) => number,
      atOnce: number = connections,
    ): Promise<number> => {
      const found = await requestLoad(count, Math.min(atOnce, connections), (i) =>
        ask[way](promptAt(i), questions[i % questions.length]!),
      );
      errors += found.errors;
      logErrors(way, found, log);
      tokensOf[way].push(...found.answers.filter((tokens) => tokens !== undefined));
      log(`${way}: ${found.perSecond.toFixed(1)} requests/s`);
      return found.perSecond;
    };
    // No more at once than are worked on: those that wait behind others would wait longer than a client does.
    log("every prompt twice, not counted");
    for (const way of ["ours", "llama.cpp, hot"] as const)
      for (let n = 0; n < 2; n++) await round(way, prompts, (i) => i, slots);
    for (let n = 0; n < rounds; n++)
      for (const way of ways) {
        const drawn = rng.split(`round ${n}`); // the same prompts in the same order for all
        const order = Array.from({ length: requests }, () => drawn.int(prompts));
        const count = way === "llama.cpp, cold" ? coldRequests : requests;
        raw[way].push(await round(way, count, (i) => order[i]!));
      }
    const used = Object.fromEntries(ways.map((way) => [way, memory[way]()])) as Record<
      Way,
      ReturnType<(typeof memory)[Way]>
    >;
    const own = (way: Way): number => used[way].ownMb ?? Number.NaN;
    const tokens = median(texts.map((text) => pair.tokenizer.encode(text).length));
    return {
      configuration: {
        edge: pair.shape.edge,
        peer: `llama-server of ${program.of}`,
        prompts,
        promptTokens: tokens,
        connections,
        requests,
        coldRequests,
        maxTokens,
        slots,
        slotTokens,
      },
      raw,
      medians: {
        ...medians(raw),
        ...Object.fromEntries(ways.map((way) => [`${way}: tokens of an answer, mean`, mean(tokensOf[way])])),
        ...Object.fromEntries(ways.map((way) => [`${way}: own MB at most`, own(way)])),
        ...Object.fromEntries(ways.map((way) => [`${way}: MB of weights mapped`, used[way].mappedMb ?? Number.NaN])),
      },
      ratios: Object.fromEntries(
        ways.slice(1).flatMap((way) => [
          [`requests/s, ours / ${way}`, pairedRatio(raw.ours, raw[way])],
          [`own memory, ours / ${way}`, own("ours") / own(way)],
        ]),
      ),
      checks: [
        atMost("errors", errors, 0),
        ...(options.quick
          ? []
          : ways
              .slice(1)
              .flatMap((way) => [
                atLeast(`requests/s, ours / ${way}`, pairedRatio(raw.ours, raw[way]), 1),
                atMost(`own memory, ours / ${way}`, own("ours") / own(way), 1),
              ])),
      ],
    };
  },
};
