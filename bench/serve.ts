/**
 * @file `serve`: 64 connections ask 200 specialisations at random. Every answer is compared with the one its tenant gets alone, its
 * log-probabilities too. Then load on all of them takes turns with the same load on one specialisation that is merged.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRng } from "../src/base/rng.ts";
import { openStore, type Store } from "../src/server/store/store.ts";
import { atLeast, atMost, type Bench, medians, pairedRatio } from "./support/bench.ts";
import { logErrors, requestLoad } from "./support/request-load.ts";
import { openServedPair, questions, randomSpecialization } from "./support/served-pair.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";
import { numberOf, startScript } from "./support/worker.ts";

const worker = fileURLToPath(new URL("./serve-worker.ts", import.meta.url));
const sizes = {
  whole: { tenants: 200, connections: 64, requests: 10_000, inputs: 5, timedRequests: 1000, rounds: 3 },
  quick: { tenants: 6, connections: 4, requests: 24, inputs: 2, timedRequests: 12, rounds: 1 },
} as const;
const maxTokens = 4;
/** Requests that the service works on at once. */
const slots = 32;
/** Requests per second over those of one merged specialisation. */
const leastShare = 0.8;

type Asked = { readonly tenant: number; readonly input: number };

/** One answer as text; with log-probabilities they are part of it. */
async function ask(url: string, model: string, input: number, withLogprobs: boolean): Promise<string> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    body: JSON.stringify({
      model,
      messages: [{ role: "user", content: questions[input] }],
      max_tokens: maxTokens,
      ...(withLogprobs ? { logprobs: true, top_logprobs: 5 } : {}),
    }),
  });
  const body = (await response.json()) as { choices?: unknown };
  if (!response.ok) throw new Error(`status ${response.status}: ${JSON.stringify(body)}`);
  return JSON.stringify(body.choices);
}

/** Asks all of them over so many connections. */
const load = (url: string, asked: readonly Asked[], connections: number, withLogprobs = false) =>
  requestLoad(asked.length, connections, (i) => ask(url, `tenant-${asked[i]!.tenant}`, asked[i]!.input, withLogprobs));

const keyOf = ({ tenant, input }: Asked): string => `${tenant} ${input}`;

/** How many answers are not those that their tenant gets alone. */
const wrong = (asked: readonly Asked[], answers: readonly (string | undefined)[], alone: ReadonlyMap<string, string>) =>
  asked.filter((each, i) => answers[i] !== alone.get(keyOf(each))).length;

/** Two tenants' contents change places, and back with `rollback`. */
async function swapTenants(store: Store, [a, b]: readonly [string, string]): Promise<void> {
  const [first, second] = [await store.resolve("main", a), await store.resolve("main", b)];
  await store.put("main", a, await store.read(second.object));
  await store.put("main", b, await store.read(first.object));
}

export const serve: Bench = {
  run: async (options) => {
    const {
      tenants,
      connections,
      requests,
      inputs: used,
      timedRequests,
      rounds,
    } = sizes[options.quick ? "quick" : "whole"];
    await using temporary = temporaryFolder("bench-serve");
    const { path: folder } = temporary;
    const pair = await openServedPair(folder, createRng("serve"), options);
    const store = await openStore(join(folder, "store"));
    const rng = createRng("serve tenants");
    for (let tenant = 0; tenant < tenants; tenant++)
      await store.put("main", `tenant-${tenant}`, randomSpecialization(pair, rng.split(`tenant ${tenant}`)));
    const draw = (count: number, tenant: () => number): Asked[] =>
      Array.from({ length: count }, () => ({ tenant: tenant(), input: rng.int(used) }));
    const args = [pair.directory, join(folder, "store"), String(options.threads), String(slots)];
    const { worker: process, ready } = await startScript(worker, args);
    await using _ = process;
    const { url } = ready as { url: string };

    options.log("alone: every tenant and input by itself");
    const alone = new Map<string, string>();
    for (let tenant = 0; tenant < tenants; tenant++)
      for (let input = 0; input < used; input++)
        alone.set(`${tenant} ${input}`, await ask(url, `tenant-${tenant}`, input, true));
    options.log("mixed: answers compared");
    const compared = draw(requests, () => rng.int(tenants));
    const mixed = await load(url, compared, connections, true);
    logErrors("mixed", mixed, options.log);
    const memory = numberOf(await process.ask("memory"), "peakMb");
    const state = await process.ask("state");
    options.log(`${mixed.perSecond.toFixed(1)} requests/s; two tenants change places`);
    await swapTenants(store, ["tenant-0", "tenant-1"]);
    const again = compared.filter(({ tenant }) => tenant < 4);
    const swapped = await load(url, again, connections, true);
    logErrors("swapped", swapped, options.log);
    for (const name of ["tenant-0", "tenant-1"]) await store.rollback("main", name, 1);
    const affected = again.filter(({ tenant }) => tenant < 2).length;

    const raw: Record<"mixed" | "merged", number[]> = { mixed: [], merged: [] };
    let errors = mixed.errors + swapped.errors;
    await process.ask("pin");
    // The first tenant is merged: the load on all of them is on the others.
    const tenantOf = { mixed: () => 1 + rng.int(tenants - 1), merged: () => 0 };
    for (let i = 0; i < rounds; i++)
      for (const way of ["mixed", "merged"] as const) {
        const found = await load(url, draw(timedRequests, tenantOf[way]), connections);
        const { perSecond } = found;
        logErrors(way, found, options.log);
        errors += found.errors;
        options.log(`${way}: ${perSecond.toFixed(1)} requests/s`);
        raw[way].push(perSecond);
      }
    const share = pairedRatio(raw.mixed, raw.merged);
    const rowsPerStep = numberOf(state, "rows") / numberOf(state, "steps");
    return {
      configuration: {
        edge: pair.shape.edge,
        tenants,
        connections,
        requests,
        timedRequests,
        maxTokens,
        experts: pair.shape.generator.experts,
      },
      raw,
      medians: {
        ...medians(raw),
        "rows of a step": rowsPerStep,
        "peak MB": memory,
        "answers that a swap changes": affected,
      },
      ratios: { "mixed / merged": share },
      checks: [
        atMost("errors", errors, 0),
        atMost("answers that are not their tenant's alone", wrong(compared, mixed.answers, alone), 0),
        atLeast(
          "of two tenants swapped on purpose, answers found to be wrong",
          wrong(again, swapped.answers, alone),
          1,
        ),
        ...(options.quick ? [] : [atLeast("requests/s, mixed / merged", share, leastShare)]),
      ],
    };
  },
};
