/**
 * @file Kills commands and looks at what is left: `npx tsx test/reliability/kills.ts [--count 60] [--seed 1] [--only train]`. Two of three kills come
 * from outside at a random time, one of three at one of the last renames. After each: what is there is whole, the same command goes
 * on, its result is the one of a run that nobody killed, and nothing else is left. Prints a table as Markdown; ends with 1 where anything failed.
 */
import { spawn } from "node:child_process";
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { sha256 } from "../../src/base/hash.ts";
import { createRng, type Rng } from "../../src/base/rng.ts";
import { isTemporaryName } from "../../src/base/temporary-name.ts";
import { loadNewest } from "../../src/files/checkpoint.ts";
import { startHub } from "../support/hub-server.ts";
import { build, root as project } from "../support/loragen.ts";
import { writeTinyPair } from "../support/tiny-pair.ts";
import { configureLanguageModel, writeRunInputs } from "../support/training-runs.ts";

type Command = {
  readonly args: (folder: string) => readonly string[];
  readonly env?: (folder: string) => Readonly<Record<string, string>>;
  /** What it makes, in its folder. */
  readonly result: string;
  /** What a kill may leave: nothing, or the result of an unkilled run. Others say it themselves. */
  readonly check?: (folder: string) => Promise<void>;
};

const main = join(project, "dist/cli/main.js");
const hook = join(import.meta.dirname, "kill-at-rename.mjs");
const { values } = parseArgs({
  options: {
    count: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
  },
});
build();
const base = mkdtempSync(join(tmpdir(), "kills-"));
await using hub = await startHub();
await prepare();

const pair = join(base, "pair");
const source = ["--pair", pair, "--specialization", join(base, "about")];
const commands: Readonly<Record<string, Command>> = {
  train: {
    args: (folder) => [
      "train",
      "--resume",
      "--config",
      configureLanguageModel(base, join(folder, "run"), { steps: 60 }),
    ],
    result: "run/model",
    check: async (folder) => {
      const checkpoints = join(folder, "run", "checkpoints");
      const loaded = existsSync(checkpoints) ? await loadNewest(checkpoints) : undefined;
      if (loaded !== undefined && loaded.damaged.length > 0) throw new Error("a checkpoint is damaged");
    },
  },
  quantize: {
    args: (folder) => ["quantize", "--model", join(pair, "edge"), "--out", join(folder, "out")],
    result: "out",
  },
  merge: { args: (folder) => ["merge", ...source, "--out", join(folder, "out")], result: "out" },
  export: { args: (folder) => ["export", ...source, "--format", "onnx", "--out", join(folder, "out")], result: "out" },
  specialize: {
    args: (folder) => ["specialize", "--pair", pair, "--prompt", "Say what it is.", "--out", join(folder, "out")],
    result: "out",
  },
  download: {
    args: (folder) => ["quantize", "--model", "org/one", "--out", join(folder, "out")],
    env: (folder) => ({ HF_ENDPOINT: hub.url, HF_HUB_CACHE: join(folder, "cache") }),
    result: "cache",
    check: async (folder) => {
      const snapshots = join(folder, "cache/models--org--one/snapshots");
      if (!existsSync(snapshots)) return;
      for (const name of filesIn(snapshots)) {
        const wanted = hub.models.get("org/one")!.files[name.split("/").at(-1)!];
        if (wanted !== undefined && !readFileSync(join(snapshots, name)).equals(wanted))
          throw new Error(`${name} is in the cache with other content`);
      }
    },
  },
};

async function prepare(): Promise<void> {
  await writeTinyPair(join(base, "pair"), { edge: { hidden: 64, ffn: 128, headDim: 16 } });
  await writeRunInputs(base);
  const args = [
    "specialize",
    "--pair",
    join(base, "pair"),
    "--prompt",
    "Say what it is about.",
    "--out",
    join(base, "about"),
  ];
  await run(args, {});
  const edge = join(base, "pair", "edge");
  const files = Object.fromEntries(readdirSync(edge).map((name) => [name, readFileSync(join(edge, name))]));
  hub.models.set("org/one", { commit: "0123456789abcdef0123456789abcdef01234567", files, lfs: ["model.safetensors"] });
}

type Ended = {
  readonly signal: NodeJS.Signals | null;
  readonly status: number | null;
  readonly ms: number;
  readonly stderr: string;
};

/** Runs a command line to its end, or until it is killed. */
function run(args: readonly string[], env: Readonly<Record<string, string>>, killAfterMs?: number): Promise<Ended> {
  const from = performance.now();
  const child = spawn(process.execPath, ["--import", hook, main, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfterMs);
  return new Promise((done) =>
    child.on("close", (status, signal) => {
      clearTimeout(timer);
      done({ status, signal, ms: performance.now() - from, stderr });
    }),
  );
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => !lstatSync(join(folder, name)).isDirectory())
    .map((name) => name.replaceAll("\\", "/"))
    .sort();

/** Content by name of what has its name; records hold times, which differ. */
function digest(folder: string): string {
  if (!existsSync(folder)) return "none";
  const isFinished = (name: string) => !name.endsWith(".lora-gen.json") && !name.split("/").some(isTemporaryName);
  const names = filesIn(folder).filter(isFinished);
  if (names.length === 0) return "none";
  return JSON.stringify(names.map((name) => [name, sha256(readFileSync(join(folder, name)))]));
}

const leftOver = (folder: string): string[] =>
  filesIn(folder).filter((name) => name.split("/").some(isTemporaryName) || /\.(lock|incomplete|damaged)$/.test(name));

type Reference = { readonly ms: number; readonly renames: number; readonly digest: string };

async function reference(name: string, command: Command): Promise<Reference> {
  const folder = mkdtempSync(join(base, `${name}-`));
  const count = join(base, "renames");
  const { status, stderr, ms } = await run(command.args(folder), { ...command.env?.(folder), COUNT_RENAMES: count });
  if (status !== 0) throw new Error(`${name}: ${stderr}`);
  return { ms, renames: Number(readFileSync(count, "utf8")), digest: digest(join(folder, command.result)) };
}

type Outcome = {
  readonly state: "nothing yet" | "whole" | "under way";
  readonly swept: number;
  readonly problem?: string;
};

/** One kill and the run after it; undefined where the command had ended before. */
async function kill(
  name: string,
  command: Command,
  known: Reference,
  rng: Rng,
  atRename: boolean,
): Promise<Outcome | undefined> {
  const folder = mkdtempSync(join(base, `${name}-`));
  const env = { ...command.env?.(folder) };
  const moment = `${Math.max(1, known.renames - rng.int(3))} ${rng.pick(["before", "during", "after"])}`;
  const killed = atRename
    ? await run(command.args(folder), { ...env, KILL_AT_RENAME: moment })
    : await run(command.args(folder), env, known.ms * (0.3 + 0.7 * rng.next()));
  if (killed.signal !== "SIGKILL") return undefined;
  try {
    const found = digest(join(folder, command.result));
    const state = found === "none" ? "nothing yet" : found === known.digest ? "whole" : "under way";
    if (command.check !== undefined) await command.check(folder);
    else if (state === "under way") throw new Error("a part of the result is there");
    const before = leftOver(folder).length;
    const isDone = name !== "specialize" && existsSync(join(folder, "out")); // whose output would be refused
    if (!isDone) {
      const again = await run(command.args(folder), env);
      if (again.status !== 0) throw new Error(`the same command again: ${again.stderr.trim()}`);
    }
    if (digest(join(folder, command.result)) !== known.digest)
      throw new Error("the result differs from that of an unkilled run");
    const after = leftOver(folder);
    if (after.length > 0) throw new Error(`left behind: ${after.join(", ")}`);
    return { state, swept: before };
  } catch (error) {
    return {
      state: "under way",
      swept: 0,
      problem: `${name}, ${atRename ? moment : "random"}: ${(error as Error).message} (${relative(base, folder)})`,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const chosen = Object.entries(commands).filter(([name]) => values.only === undefined || name === values.only);
const each = Math.ceil(Number(values.count) / chosen.length);
const problems: string[] = [];
const rows: string[] = [];
for (const [name, command] of chosen) {
  const known = await reference(name, command);
  const rng = createRng(`kills ${values.seed} ${name}`);
  const outcomes: Outcome[] = [];
  const random = each - Math.ceil(each / 3);
  for (let tries = 0; outcomes.length < each && tries < 4 * each; tries++) {
    const outcome = await kill(name, command, known, rng.split(String(tries)), outcomes.length >= random);
    if (outcome === undefined) continue;
    outcomes.push(outcome);
    if (outcome.problem !== undefined) problems.push(outcome.problem);
    process.stderr.write(`${name} ${outcomes.length}/${each}: ${outcome.problem ?? outcome.state}\n`);
  }
  const count = (state: Outcome["state"]) =>
    outcomes.filter((one) => one.state === state && one.problem === undefined).length;
  const swept = outcomes.reduce((sum, one) => sum + one.swept, 0);
  const failed = outcomes.filter(({ problem }) => problem !== undefined).length;
  rows.push(
    `| ${name} | ${random} | ${outcomes.length - random} | ${count("nothing yet")} | ${count("under way")} | ${count("whole")} | ${swept} | ${failed} |`,
  );
}
rmSync(base, { recursive: true, force: true });
const head = "| command | at random | at a rename | nothing yet | under way | whole | leftovers swept | failed |";
process.stdout.write(
  `${[head, "|---|--:|--:|--:|--:|--:|--:|--:|", ...rows, ...problems.map((one) => `\n${one}`)].join("\n")}\n`,
);
process.exitCode = problems.length > 0 ? 1 : 0;
