/**
 * @file Kills a process that writes into a store of specialisations and looks at what is left: `npx tsx test/reliability/store-kills.ts
 * [--count 20] [--seed 1]`. The process puts versions, takes them back, makes and removes names, collects contents, and says what is done.
 * After each kill: nothing is damaged, every version that was said to be there is there, the next process writes on. Ends with 1 otherwise.
 */
import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { sha256 } from "../../src/base/hash.ts";
import { createRng, type Rng } from "../../src/base/rng.ts";
import { openStore } from "../../src/server/store/store.ts";
import { specializationOf } from "../support/tiny-pair.ts";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
    write: { type: "string" },
  },
});
const known = { cloud: { sha256: sha256("c") }, edge: { sha256: sha256("e") }, generator: { sha256: sha256("g") } };

/** Writes until it is killed; one line for each version that is there. */
async function write(folder: string, seed: string): Promise<never> {
  const store = await openStore(folder);
  const rng = createRng(seed);
  for (let i = 0; ; i++) {
    const { version, object } = await store.put("main", "kept", specializationOf(known, [[rng.next(), 0, 0, 1]]));
    process.stdout.write(`${version} ${object}\n`);
    if (i % 3 === 1) await store.rollback("main", "kept");
    await store.put("main", "passing", specializationOf(known, [[0, rng.next(), 0, 1]]));
    await store.alias("main", "other", "kept");
    if (i % 4 === 2) {
      await store.remove("main", "passing");
      await store.collect();
    }
  }
}

/** Kills a writer at a random time after its first line. Returns what it had said. */
function killedWriter(folder: string, rng: Rng): Promise<string[]> {
  const args = [...process.execArgv, import.meta.filename, "--write", folder, "--seed", String(rng.int(2 ** 32))];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const said: string[] = [];
  const after = rng.next() * 400;
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (said.push(line) === 1) setTimeout(() => child.kill("SIGKILL"), after);
  });
  return new Promise((done, fail) => {
    child.on("close", (_, signal) =>
      signal === "SIGKILL" ? done(said) : fail(new Error("the writer ended by itself")),
    );
  });
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "store-kills-"));
  const rng = createRng(Number(values.seed));
  const said = new Map<string, string>();
  let failures = 0;
  const count = Number(values.count);
  for (let kill = 1; kill <= count; kill++) {
    const lines = await killedWriter(folder, rng);
    for (const line of lines) said.set(line.split(" ")[0]!, line.split(" ")[1]!);
    const store = await openStore(folder);
    const { damaged } = await store.verify();
    const name = await store.get("main", "kept");
    const versions =
      "versions" in name ? new Map(name.versions.map((each) => [String(each.version), each.object])) : new Map();
    const lost = [...said].filter(([version, object]) => versions.get(version) !== object);
    const isWell = damaged.length === 0 && lost.length === 0;
    if (!isWell) failures++;
    process.stdout.write(
      `kill ${kill}: ${lines.length} versions said, ${versions.size} there, ${damaged.length} damaged, ${lost.length} lost\n`,
    );
  }
  process.stdout.write(`${count} kills, ${said.size} versions, ${failures} failures\n`);
  process.exitCode = failures === 0 ? 0 : 1;
}

await (values.write === undefined ? main() : write(values.write, values.seed));
