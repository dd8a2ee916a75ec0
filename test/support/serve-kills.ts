/**
 * @file Kills `loragen serve` while clients change names, and a process beside it that collects contents, with SIGKILL; then looks whether
 * anything that was said to be done is missing. Used by a test with a few kills and by `test/reliability/store-kills.ts` with many.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createRng, type Rng } from "../../src/base/rng.ts";
import { loadPair, type Pair } from "../../src/pair/pair-file.ts";
import { encodeSpecialization } from "../../src/pair/specialization.ts";
import { openStore, type Store } from "../../src/server/store/store.ts";
import { root } from "./loragen.ts";
import { startServe } from "./serve-process.ts";
import { specializationOf, writeTinyPair } from "./tiny-pair.ts";

export type KillReport = {
  /** Versions that an answer said to be there, over all kills; the certificates, the same. */
  readonly said: number;
  readonly certified: number;
  /** Contents that the process beside the service removed. */
  readonly collected: number;
  /** Who was in the midst of a change when it was killed. */
  readonly amidst: Readonly<Record<"serve" | "collect" | "nobody", number>>;
  /** What was found to be wrong. */
  readonly problems: readonly string[];
};

type Options = {
  readonly kills: number;
  readonly seed: string;
  /** Everything is made in there. */
  readonly folder: string;
  readonly say?: (line: string) => void;
};

const clients = 3;
/** Answers before a kill, at least and at most; turns of the event loop behind the last one, or behind the next change of whom it is aimed at. */
const moments = { least: 8, most: 40, turns: 400, turnsOfChange: 4 } as const;
const aims = ["serve", "serve", "collect", "nobody"] as const;

/** What a client was told of its own names, which nobody else changes. */
type Told = {
  readonly versions: Map<number, string>;
  readonly certified: Set<string>;
  /** Which version the name may stand for, which the other name may; several where an answer was not there yet when the service was killed. */
  current: readonly (number | undefined)[];
  alias: readonly (string | undefined)[];
};

export async function killServe({ kills, seed, folder, say = () => undefined }: Options): Promise<KillReport> {
  const pairFolder = join(folder, "pair");
  await writeTinyPair(pairFolder);
  const pair = await loadPair(pairFolder);
  const where = join(folder, "store");
  const store = await openStore(where);
  const told = Array.from({ length: clients }, (): Told => {
    return { versions: new Map(), certified: new Set(), current: [undefined], alias: [undefined] };
  });
  const rng = createRng(`store kills ${seed}`);
  const problems: string[] = [];
  const amidst = { serve: 0, collect: 0, nobody: 0 };
  let collected = 0;

  for (let kill = 1; kill <= kills; kill++) {
    const service = await startServe(["--pair", pairFolder, "--store", where]);
    const collector = spawn(process.execPath, [join(root, "test/reliability/collect-on.mjs"), where], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    createInterface({ input: collector.stdout }).on("line", (line) => {
      collected += Number(line);
    });
    const children = { serve: service.child, collect: collector };
    const moment = createMoment(moments.least + rng.int(moments.most - moments.least));
    const work = told.map((own, i) =>
      change(service.url, pair, `${i}`, own, rng.split(`${kill} ${i}`), moment.answered).catch((error: Error) => {
        problems.push(`kill ${kill}: before it ${error.message}`);
        moment.failed();
      }),
    );
    await moment.come;
    const aim = rng.pick(aims);
    if (aim !== "nobody") while (holderOf(where, children) !== aim) await turn();
    for (let turns = rng.int(aim === "nobody" ? moments.turns : moments.turnsOfChange); turns > 0; turns--)
      await turn();
    const order = rng.shuffle([service.child, collector]);
    for (const child of order) child.kill("SIGKILL");
    await Promise.all([service.ended, closed(collector), ...work]);
    const holder = holderOf(where, children);
    amidst[holder]++;
    const found = await lookAfter(store, told);
    problems.push(...found.map((problem) => `kill ${kill}: ${problem}`));
    const said = told.reduce((sum, { versions }) => sum + versions.size, 0);
    say(`kill ${kill}, amidst a change of ${holder}: ${said} versions said to be there, ${found.length} problems`);
  }
  await store.collect();
  const { unused } = await store.verify();
  if (unused.length > 0) problems.push(`${unused.length} contents are left that no name has`);
  const count = (of: (own: Told) => number) => told.reduce((sum, own) => sum + of(own), 0);
  return {
    ...{ said: count(({ versions }) => versions.size), certified: count(({ certified }) => certified.size) },
    ...{ collected, amidst, problems },
  };
}

const lock = "store.lock";
const turn = () => new Promise<void>((done) => setImmediate(done));
const closed = (child: ChildProcess) => new Promise<void>((done) => child.once("close", () => done()));

/** Comes with so many answers. */
function createMoment(answers: number): Record<"answered" | "failed", () => void> & { readonly come: Promise<void> } {
  let left = answers;
  let isHere: () => void = () => undefined;
  const come = new Promise<void>((done) => {
    isHere = done;
  });
  return {
    come,
    answered() {
      if (--left === 0) isHere();
    },
    failed: isHere,
  };
}

/** Whose lock lies in the store: it was in the midst of a change. */
function holderOf(folder: string, children: Record<"serve" | "collect", ChildProcess>): keyof KillReport["amidst"] {
  let text = "";
  try {
    text = readFileSync(join(folder, lock), "utf8");
  } catch {
    return "nobody";
  }
  const id = Number(text.split(" ")[0]);
  return (["serve", "collect"] as const).find((who) => children[who].pid === id) ?? "nobody";
}

/** One client, until the service is gone. */
async function change(url: string, pair: Pair, client: string, told: Told, rng: Rng, answered: () => void) {
  const name = `kept-${client}`;
  async function ask(method: string, path: string, body?: unknown): Promise<{ status: number; json: unknown }> {
    const text = body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) };
    const response = await fetch(`${url}/v1${path}`, { method, ...text });
    const json: unknown = await response.json();
    if (method !== "GET") answered();
    return { status: response.status, json };
  }
  const content = () => {
    const gates = Array.from({ length: pair.shape.edge.layers }, () => [rng.next(), 0, 0, rng.next()]);
    return encodeSpecialization(specializationOf(pair, gates));
  };
  type Version = { readonly version: number; readonly object: string };

  async function update(): Promise<void> {
    const next = Math.max(0, ...told.versions.keys()) + 1;
    told.current = [...told.current, next];
    const { status, json } = await ask("PUT", `/specializations/${name}`, content());
    if (status !== 201) throw new Error(`an update was answered with ${status}`);
    const { version, object } = json as Version;
    told.versions.set(version, object);
    told.current = [version];
  }
  async function goBack(): Promise<void> {
    const version = rng.pick([...told.versions.keys()]);
    told.current = [...told.current, version];
    const { status } = await ask("POST", `/specializations/${name}/rollback`, { version });
    if (status !== 200) throw new Error(`a rollback was answered with ${status}`);
    told.current = [version];
  }
  async function rename(): Promise<void> {
    const target = `${name}@${rng.pick([...told.versions.keys()])}`;
    told.alias = [...told.alias, target];
    const { status } = await ask("POST", "/aliases", { name: `live-${client}`, target });
    if (status !== 200) throw new Error(`another name was answered with ${status}`);
    told.alias = [target];
  }
  /** Its content is nobody's from then on. */
  async function pass(): Promise<void> {
    await ask("PUT", `/specializations/passing-${client}`, content());
    await ask("DELETE", `/specializations/passing-${client}`);
  }
  async function certify(): Promise<void> {
    const version = rng.pick([...told.versions.keys()]);
    const path = `/specializations/${name}@${version}/certificate`;
    const { status } = await ask("POST", path, { examples: [{ input: "hello", output: "hi" }] });
    if (status !== 202) return; // another one is measured
    for (let state = "running"; state === "running"; ) {
      const { json } = await ask("GET", path);
      state = (json as { status: string }).status;
      if (state === "done") told.certified.add(told.versions.get(version)!);
    }
  }
  try {
    for (;;) {
      if (told.versions.size === 0) await update();
      await rng.pick([update, update, pass, pass, goBack, rename, ...(client === "0" ? [certify, certify] : [])])();
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // fetch failed: the service is gone
  }
}

/** What is wrong in the store; from then on what is there is what was told. */
async function lookAfter(store: Store, told: readonly Told[]): Promise<string[]> {
  const problems: string[] = [];
  const { damaged } = await store.verify();
  problems.push(...damaged.map((what) => `${what} is damaged`));
  const names = new Map((await store.list("main")).map((found) => [found.name, found]));
  for (const [i, own] of told.entries()) {
    const found = names.get(`kept-${i}`);
    const versions = found !== undefined && "versions" in found ? found.versions : [];
    const there = new Map(versions.map(({ version, object }) => [version, object]));
    for (const [version, object] of own.versions)
      if (there.get(version) !== object) problems.push(`kept-${i}@${version} was said to be there, and is not`);
    if (there.size > own.versions.size + 1)
      problems.push(`kept-${i} has ${there.size - own.versions.size} versions more`);
    const current = found !== undefined && "versions" in found ? found.current : undefined;
    if (!own.current.includes(current))
      problems.push(`kept-${i} stands for version ${current}, expected ${own.current.join(" or ")}`);
    const live = names.get(`live-${i}`);
    const alias = live !== undefined && "aliasOf" in live ? live.aliasOf : undefined;
    if (!own.alias.includes(alias)) problems.push(`live-${i} stands for ${alias}, expected ${own.alias.join(" or ")}`);
    for (const object of own.certified)
      if ((await store.certificate("main", object)) === undefined) problems.push(`a certificate of kept-${i} is gone`);
    for (const [version, object] of there) own.versions.set(version, object);
    own.current = [current];
    own.alias = [alias];
  }
  return problems;
}
