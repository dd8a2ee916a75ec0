/**
 * @file Whether the memory of a service stays flat under load:
 *
 *     npx tsx test/reliability/soak.ts [--minutes 15] [--warm-up 3] [--pair DIR] [--connections 8] [--bound 64] [--seed 1]
 *
 * `loragen serve` runs as a process of its own, with a tiny pair unless another is named. Connections make, replace, remove and ask names,
 * read streams and cut them off, and send nonsense, all drawn by a seed. Names, contents, prompts and schemas come from sets that are
 * small: whatever the service keeps of them is full after the warm-up, which is not counted. Then the slope of its memory over time is
 * printed with a 95 % interval (six stretches of time, `test/support/slope.ts`). Flat: the interval includes 0, or its upper end is below
 * the bound, in MB an hour. Ends with 1 where it is not, and where an answer was a fault.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ownKilobytes } from "../../bench/support/memory.ts";
import { questions, randomSpecialization } from "../../bench/support/served-pair.ts";
import { temporaryFolder } from "../../bench/support/temporary-folder.ts";
import { createRng, type Rng } from "../../src/base/rng.ts";
import { loadPair } from "../../src/pair/pair-file.ts";
import { encodeSpecialization } from "../../src/pair/specialization.ts";
import { build } from "../support/loragen.ts";
import { startServe } from "../support/serve-process.ts";
import { slopeOf } from "../support/slope.ts";
import { writeTinyPair } from "../support/tiny-pair.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "15" },
    "warm-up": { type: "string" },
    pair: { type: "string" },
    connections: { type: "string", default: "8" },
    bound: { type: "string", default: "64" },
    seed: { type: "string", default: "1" },
  },
});
const minutes = Number(values.minutes);
const warmUp = values["warm-up"] === undefined ? minutes / 5 : Number(values["warm-up"]);
const bound = Number(values.bound);
const sizes = { names: 60, contents: 200, prompts: 12, sampleMs: 2000 } as const;

build();
await using folder = temporaryFolder("soak");
const pairFolder = values.pair ?? join(folder.path, "pair");
if (values.pair === undefined) await writeTinyPair(pairFolder, { context: 1024 });
const pair = await loadPair(pairFolder);
const rngOf = (what: string): Rng => createRng(`soak ${values.seed} ${what}`);
const contents = Array.from({ length: sizes.contents }, (_, i) =>
  encodeSpecialization(randomSpecialization(pair, rngOf(`content ${i}`))),
);
const prompts = Array.from({ length: sizes.prompts }, (_, i) => `Answer office ${i}, billing, delivery or refund.`);
const schemas = ["boolean", "integer"].map((type) => ({
  type: "object",
  properties: { a: { type } },
  required: ["a"],
  additionalProperties: false,
}));

const service = await startServe(["--pair", pairFolder, "--store", join(folder.path, "store")], {
  node: ["--import", join(import.meta.dirname, "tell-memory.mjs")],
  ipc: true,
});
const { data } = (await (await fetch(`${service.url}/v1/models`)).json()) as { data: { id: string }[] };
const base = data[0]!.id;

/** The status of an answer that was read to its end. */
async function ask(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<number> {
  const text = body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) };
  const response = await fetch(`${service.url}${path}`, { method, ...text, ...(signal && { signal }) });
  await response.arrayBuffer();
  return response.status;
}
const at = (name: string, more = ""): string => `/v1/specializations/${name}${more}`;
const chat = (model: string, question: string, more: object = {}) => ({
  model,
  messages: [{ role: "user", content: question }],
  max_tokens: 8,
  ...more,
});

/** What a client does: how often, and how. Returns the last status; undefined where the client left before its answer. */
type Deed = { readonly weight: number; readonly run: (draw: Draw) => Promise<number | undefined> };
type Draw = { readonly rng: Rng; readonly name: string; readonly question: string };
const deeds: Readonly<Record<string, Deed>> = {
  "a name replaced": { weight: 20, run: ({ name, rng }) => ask("PUT", at(name), rng.pick(contents)) },
  "a name made of a prompt": {
    weight: 4,
    run: ({ name, rng }) => ask("POST", "/v1/specializations", { name, prompt: rng.pick(prompts) }),
  },
  "a name removed": { weight: 6, run: ({ name }) => ask("DELETE", at(name)) },
  "a name taken back": { weight: 3, run: ({ name }) => ask("POST", at(name, "/rollback"), {}) },
  "another name": { weight: 2, run: ({ name }) => ask("POST", "/v1/aliases", { name: `${name}-too`, target: name }) },
  "a question": { weight: 40, run: ({ name, question }) => ask("POST", "/v1/chat/completions", chat(name, question)) },
  "a question behind a prompt": {
    weight: 8,
    run: ({ question, rng }) => {
      const messages = [
        { role: "system", content: rng.pick(prompts) },
        { role: "user", content: question },
      ];
      return ask("POST", "/v1/chat/completions", chat(base, question, { messages }));
    },
  },
  "a question with a schema": {
    weight: 4,
    run: ({ name, question, rng }) => {
      const format = { type: "json_schema", json_schema: { name: "a", schema: rng.pick(schemas) } };
      return ask("POST", "/v1/chat/completions", chat(name, question, { max_tokens: 24, response_format: format }));
    },
  },
  "a stream": {
    weight: 6,
    run: ({ name, question }) => ask("POST", "/v1/chat/completions", chat(name, question, { stream: true })),
  },
  "a stream cut off": {
    weight: 6,
    async run({ question, rng }) {
      const leave = new AbortController();
      const body = JSON.stringify(chat(base, question, { stream: true, max_tokens: 200 }));
      const init = { method: "POST", body, signal: leave.signal };
      const reader = (await fetch(`${service.url}/v1/chat/completions`, init)).body!.getReader();
      for (let pieces = rng.int(6); pieces > 0; pieces--) await reader.read();
      leave.abort();
      return undefined;
    },
  },
  "a question cut off": {
    weight: 4,
    async run({ name, question, rng }) {
      const leave = AbortSignal.timeout(1 + rng.int(40));
      const body = chat(name, question, { max_tokens: 200 });
      return ask("POST", "/v1/chat/completions", body, leave).catch((error: unknown) => {
        if (leave.aborted) return undefined;
        throw error;
      });
    },
  },
  "a look": {
    weight: 5,
    run: ({ name, rng }) => {
      const looks = ["/v1/models", "/v1/specializations", "/metrics", "/openapi.json", "/readyz", at(name, "/why")];
      return ask("GET", rng.pick(looks));
    },
  },
  nonsense: {
    weight: 3,
    run: ({ rng }) => ask("POST", "/v1/chat/completions", rng.pick(["{", "[]", '{"model": 7}', "x".repeat(100_000)])),
  },
};
const chances = Object.entries(deeds).flatMap(([what, { weight }]) => new Array<string>(weight).fill(what));
const count = new Map<string, number>();
const faults: string[] = [];
let isOver = false;

async function connection(number: number): Promise<void> {
  const rng = rngOf(`connection ${number}`);
  while (!isOver) {
    const what = rng.pick(chances);
    const draw = { rng, name: `name-${rng.int(sizes.names)}`, question: rng.pick(questions) };
    const status = await deeds[what]!.run(draw).catch((error: unknown) => {
      faults.push(`${what}: ${String(error)} ${String((error as Error).cause ?? "")}`);
      return undefined;
    });
    if (status !== undefined && status >= 500) faults.push(`${what}: status ${status}`);
    count.set(what, (count.get(what) ?? 0) + 1);
  }
}

type Told = NodeJS.MemoryUsage & { readonly live: number | null };
type Sample = { readonly hours: number } & Record<"resident" | "own" | "heap" | "live", number>;
const megabyte = 1e6;

async function sample(from: number): Promise<Sample> {
  const told = new Promise<Told>((done) => service.child.once("message", (message) => done(message as Told)));
  service.child.send("memory");
  const { rss, heapUsed, live } = await told;
  return {
    hours: (performance.now() - from) / 3.6e6,
    resident: rss / megabyte,
    own: (ownKilobytes(readFileSync(`/proc/${service.child.pid}/status`, "utf8")) * 1024) / megabyte,
    heap: heapUsed / megabyte,
    live: (live ?? Number.NaN) / megabyte,
  };
}

const from = performance.now();
const connections = Array.from({ length: Number(values.connections) }, (_, i) => connection(i));
const samples: Sample[] = [];
while (performance.now() - from < minutes * 60_000) {
  await new Promise((done) => setTimeout(done, sizes.sampleMs));
  samples.push(await sample(from));
  if (samples.length % 30 === 0) {
    const { hours, resident, heap, live } = samples.at(-1)!;
    const done = [...count.values()].reduce((sum, each) => sum + each, 0);
    const now = `${resident.toFixed(0)} MB resident, ${heap.toFixed(0)} MB of heap, ${live.toFixed(0)} MB live`;
    process.stderr.write(`${(hours * 60).toFixed(1)} min: ${done} requests, ${now}, ${faults.length} faults\n`);
  }
}
isOver = true;
await Promise.all(connections);
service.child.kill("SIGTERM");
const end = await service.ended;
if (end !== 0) faults.push(`it ended with ${end}`);

const counted = samples.filter(({ hours }) => hours * 60 > warmUp);
const times = counted.map(({ hours }) => hours);
/** Judged by what the process holds; what lives in its heap is told beside it, for it is known anew at full collections only. */
const rows = (["resident", "own", "heap", "live"] as const).map((what) => {
  const found = counted.map((each) => each[what]);
  if (!found.every(Number.isFinite))
    return { isFlat: true, line: `| ${what} | no full collection before the end of the warm-up |` };
  const { slope, low, high } = slopeOf(times, found);
  const isFlat = what === "live" || low <= 0 || high < bound;
  const verdict =
    high < bound ? `flat: less than ${bound}` : low <= 0 ? "flat: the interval includes 0" : isFlat ? "" : "grows";
  const shown = [found[0]!, found.at(-1)!, Math.max(...found), slope].map((each) => each.toFixed(1));
  return { isFlat, line: `| ${what} | ${shown.join(" | ")} | ${low.toFixed(1)} to ${high.toFixed(1)} | ${verdict} |` };
});
const done = [...count].sort(([a], [b]) => (a < b ? -1 : 1)).map(([what, times]) => `${what} ${times}`);
process.stdout.write(
  [
    `${[...count.values()].reduce((sum, each) => sum + each, 0)} requests in ${minutes} minutes: ${done.join(", ")}.`,
    `${counted.length} measurements behind a warm-up of ${warmUp} minutes. own: memory without a file behind it; live: of the heap, what its last full collection left.`,
    "",
    "| memory, MB | first | last | most | slope, MB an hour | 95 % interval | verdict |",
    "|---|--:|--:|--:|--:|--:|---|",
    ...rows.map(({ line }) => line),
    "",
    `${faults.length} faults`,
    ...faults.slice(0, 20),
    "",
  ].join("\n"),
);
process.exitCode = faults.length === 0 && rows.every(({ isFlat }) => isFlat) ? 0 : 1;
