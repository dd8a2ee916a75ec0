/**
 * @file What one more specialisation takes in the memory of a service once it was asked:
 *
 *     npx tsx test/reliability/memory-per-name.ts [--count 1000] [--rounds 3] [--pair DIR]
 *
 * A service of a tiny pair whose gates are as many as the shipped pair's (30 layers of 8 experts), or of another pair, asks names that nobody
 * asked before, one token each. The heap and its buffers are weighed after full collections before and after each round, behind a first one
 * that is not counted. Prints the bytes of a name by round; ends with 1 where their mean is above 2,048.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { randomSpecialization } from "../../bench/support/served-pair.ts";
import { temporaryFolder } from "../../bench/support/temporary-folder.ts";
import { createRng } from "../../src/base/rng.ts";
import { loadPair } from "../../src/pair/pair-file.ts";
import { openStore } from "../../src/server/store/store.ts";
import { writeTinyPair } from "../support/tiny-pair.ts";
import { openTinyService } from "../support/tiny-service.ts";

const most = 2048;
const { values } = parseArgs({
  options: {
    count: { type: "string", default: "1000" },
    rounds: { type: "string", default: "3" },
    pair: { type: "string" },
  },
});
const [count, rounds] = [Number(values.count), Number(values.rounds)];
setFlagsFromString("--expose_gc");
const collect = runInNewContext("gc") as () => void;

/** In bytes, of what is still in use. */
async function weigh(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    await new Promise((done) => setImmediate(done)); // what only waited to be let go of
    collect();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

await using folder = temporaryFolder("memory-per-name");
const directory = values.pair ?? join(folder.path, "pair");
if (values.pair === undefined) await writeTinyPair(directory, { edge: { layers: 30 }, generator: { experts: 8 } });
const pair = await loadPair(directory);
const store = await openStore(join(folder.path, "store"));
await using service = await openTinyService(pair, {}, store);
const found: number[] = [];
for (let round = 0; round <= rounds; round++) {
  const names = Array.from({ length: count }, (_, i) => `name-${round}-${i}`);
  for (const name of names) await store.put("main", name, randomSpecialization(pair, createRng(name)));
  const before = await weigh();
  for (const model of names) {
    const body = { model, messages: [{ role: "user", content: "hello" }], max_tokens: 1 };
    const response = await service.ask("/v1/chat/completions", body);
    if (response.status !== 200) throw new Error(await response.text());
    await response.text();
  }
  if (round > 0) found.push(((await weigh()) - before) / count);
}
const mean = found.reduce((sum, bytes) => sum + bytes, 0) / rounds;
const { layers } = pair.shape.edge;
const { experts } = pair.shape.generator;
process.stdout.write(
  `${mean.toFixed(0)} bytes a name, ${layers} layers of ${experts} experts; by round of ${count}: ${found.map((bytes) => bytes.toFixed(0)).join(", ")}\n`,
);
process.exitCode = mean <= most ? 0 : 1;
