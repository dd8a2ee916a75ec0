/** @file What bad input gets: a code, a message that says what is wrong, exit status 1, nothing half-written. */
import { cp, mkdir, mkdtemp, open, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openSafetensors } from "../../src/files/safetensors.ts";
import { loragen, loragenHere } from "../support/loragen.ts";
import { writeTinyPair } from "../support/tiny-pair.ts";

let folder: string;
let pair: string;
let other: string;
let specialization: string;
const longPrompt = "Tell what the message is about. ".repeat(40);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "loragen-bad-input-"));
  [pair, other, specialization] = [join(folder, "pair"), join(folder, "other"), join(folder, "specialization")];
  await writeTinyPair(pair, { context: 128 });
  await writeTinyPair(other, { context: 128, seed: 1 });
  await loragenHere(["specialize", "--pair", pair, "--prompt", "Say hello.", "--out", specialization]);
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs a command line that must fail; the error must be the same for people and programs. Returns its message. */
async function refused(code: string, args: readonly string[], stdin?: string): Promise<string> {
  const options = stdin === undefined ? {} : { stdin };
  const { status, stdout, stderr } = await loragenHere([...args, "--json"], options);
  const { error } = JSON.parse(stdout) as { error: { code: string; message: string } };
  expect(error.code, error.message).toBe(code);
  expect(status).toBe(1);
  expect(stderr).toContain(`error ${code}: ${error.message}\n`);
  expect(stderr).not.toMatch(/^ +at /m);
  return error.message;
}

const specialize = (...args: string[]) => ["specialize", "--pair", pair, "--out", join(folder, "never"), ...args];
const run = (...args: string[]) => ["run", "--pair", pair, "--input", "hello", "--max-tokens", "2", ...args];

/** The pair with one file changed. */
async function brokenPair(path: string, change: (file: string) => Promise<unknown>): Promise<string> {
  const copy = await mkdtemp(join(folder, "broken-"));
  await cp(pair, copy, { recursive: true });
  await change(join(copy, path));
  return copy;
}

test("an argument of 100 KB is read like any other", async () => {
  const long = "a".repeat(100_000);
  const { status, stderr } = await loragen(["run", "--pair", pair, "--input", long]);
  expect(stderr).toContain("error E_LIMIT: ");
  expect(status).toBe(1);
});

test("names, metadata and messages cannot command a terminal", async () => {
  const commands = "\u001b[2J\u009b31m\u202e";
  const named = await brokenPair("pair.json", async (file) => {
    const json = JSON.parse(await readFile(file, "utf8")) as object;
    await writeFile(file, JSON.stringify({ ...json, name: `pair${commands}` }));
  });
  const shouted = join(folder, `pair${commands}`);
  await cp(named, shouted, { recursive: true });
  const key = await brokenPair("pair.json", (file) => writeFile(file, JSON.stringify({ [`a${commands}`]: 1 })));
  const runs = [
    ["inspect", shouted],
    ["inspect", shouted, "--json"],
    ["inspect", key],
    ["run", "--pair", shouted, "--input", "hello", "--max-tokens", "2", "--json"],
    ["run", "--pair", join(shouted, commands), "--input", "hello"],
    ["run", `--${commands}`],
    ["inspect", join(shouted, "edge", "model.safetensors")],
  ];
  for (const args of runs) {
    const { stdout, stderr } = await loragenHere(args);
    expect(`${stdout}${stderr}`, args.join(" ")).not.toMatch(/[^\P{Cc}\n\t]|[\u202a-\u202e]/u);
  }
  const { stdout } = await loragenHere(["inspect", shouted]);
  expect(stdout).toContain("pair·[2J·31m·");
  const json = JSON.parse((await loragenHere(["inspect", shouted, "--json"])).stdout) as { name: string };
  expect(json.name).toBe(`pair${commands}`);
});

test.each([
  ["empty", ["--prompt", ""], "expected text, found none"],
  ["blank", ["--prompt", " \n\t"], "expected text, found none"],
  ["longer than the context", ["--prompt", longPrompt], /expected at most 126 tokens, found \d{3,}; --truncate/],
])("specialize refuses a prompt that is %s", async (_, args, message) => {
  expect(await refused("E_PROMPT", specialize(...args))).toMatch(message);
});

test.each([[["--truncate"]], [["--truncate", "left"]]])("%j shortens what is too long, and says so", async (how) => {
  const out = join(folder, how.join(""));
  const args = ["specialize", "--pair", pair, "--out", out, "--prompt", longPrompt, ...how, "--json"];
  const { status, stdout } = await loragenHere(args);
  expect([status, JSON.parse(stdout)]).toMatchObject([0, { truncated: true }]);
  expect((await loragenHere(run("--specialization", out))).status).toBe(0);
});

test("prompt files: absent, a folder, not text, empty, given twice", async () => {
  const file = join(folder, "prompt.txt");
  expect(await refused("E_NOT_FOUND", specialize("--prompt-file", join(folder, "absent")))).toContain("absent");
  await refused("E_IO", specialize("--prompt-file", folder));
  await writeFile(file, Buffer.from([0x48, 0xff, 0xfe]));
  await refused("E_FORMAT", specialize("--prompt-file", file));
  await writeFile(file, "\n");
  await refused("E_PROMPT", specialize("--prompt-file", file));
  await refused("E_PROMPT", run("--prompt-file", file));
  await refused("E_PROMPT", specialize("--prompt-file", "-"), "");
  await refused("E_USAGE", specialize("--prompt-file", file, "--prompt", "x"));
  expect(await refused("E_USAGE", specialize())).toContain("--prompt TEXT or --prompt-file FILE");
});

test("an input longer than the context is refused with the count", async () => {
  const args = ["run", "--pair", pair, "--input", longPrompt];
  expect(await refused("E_LIMIT", args)).toMatch(/expected at most 128 tokens, found \d{3,}/);
});

test.each<[string, string, string, (file: string) => Promise<unknown>]>([
  ["no pair.json", "pair.json", "E_NOT_FOUND", (file) => rm(file)],
  [
    "pair.json names a folder outside",
    "pair.json",
    "E_FORMAT",
    (file) => edit(file, '"edge": "edge"', '"edge": "../edge"'),
  ],
  ["weights cut off", "edge/model.safetensors", "E_FORMAT", (file) => truncate(file, 100_000)],
  ["weights cut off in the header", "cloud/model.safetensors", "E_FORMAT", (file) => truncate(file, 200)],
  ["weights absent", "edge/model.safetensors", "E_NOT_FOUND", (file) => rm(file)],
  ["a header beyond the file", "edge/model.safetensors", "E_FORMAT", (file) => poke(file, 0, [0xff, 0xff, 0xff, 0])],
  ["a header of terabytes", "edge/model.safetensors", "E_LIMIT", (file) => poke(file, 0, [0, 0, 0, 0, 0xff, 1])],
  ["a tensor of another type", "edge/model.safetensors", "E_FORMAT", (file) => edit(file, '"F32"', '"I64"')],
  ["a tensor of an unknown type", "edge/model.safetensors", "E_DTYPE", (file) => edit(file, '"F32"', '"F4_"')],
  ["config.json is no JSON", "edge/config.json", "E_FORMAT", (file) => writeFile(file, "{")],
  ["an unknown architecture", "cloud/config.json", "E_ARCHITECTURE", (file) => edit(file, '"llama"', '"mamba"')],
  ["a context of terabytes", "edge/config.json", "E_FORMAT", (file) => edit(file, ": 128,", ": 1e12,")],
  [
    "a generator for other shapes",
    "generator/generator.json",
    "E_SHAPE",
    (file) => edit(file, '"rank": 4', '"rank": 8'),
  ],
  ["tokenizer.json is no tokenizer", "tokenizer/tokenizer.json", "E_FORMAT", (file) => writeFile(file, "[]")],
  ["NaN in the router", "generator/model.safetensors", "E_NAN", poisonRouter],
])("a pair with a fault is refused: %s", async (_, path, code, change) => {
  const directory = await brokenPair(path, change);
  const out = join(folder, "never");
  await refused(code, ["specialize", "--pair", directory, "--out", out, "--prompt", "Say hello."]);
});

async function edit(file: string, from: string, to: string): Promise<void> {
  const text = await readFile(file, "latin1");
  expect(text).toContain(from);
  await writeFile(file, text.replace(from, to), "latin1");
}

async function poke(file: string, position: number, bytes: readonly number[]): Promise<void> {
  const handle = await open(file, "r+");
  await handle.write(Uint8Array.from(bytes), 0, bytes.length, position);
  await handle.close();
}

async function poisonRouter(file: string): Promise<void> {
  const { offset } = (await openSafetensors(file)).tensors.get("router.f2.weight")!;
  await poke(file, offset, [...new Uint8Array(Float32Array.of(Number.NaN).buffer)]);
}

test("a specialisation of another pair is refused, and both hashes are named", async () => {
  const args = ["run", "--pair", other, "--specialization", specialization, "--input", "hello"];
  const hashes = (await refused("E_MISMATCH", args)).match(/[0-9a-f]{64}/g);
  expect(new Set(hashes).size).toBe(2);
});

test("a specialisation file with a fault is refused", async () => {
  const text = await readFile(join(specialization, "specialization.json"), "utf8");
  const file = join(folder, "faulty.json");
  const faults = [
    text.slice(0, 200),
    "{}",
    text.replace('"layers":2', '"layers":3'),
    text.replace(/"gates":"...../, '"gates":"'),
    text.replace('"gates":"', '"gates":"////'),
  ];
  for (const fault of faults) {
    expect(fault).not.toBe(text);
    await writeFile(file, fault);
    await refused("E_FORMAT", run("--specialization", file));
    await refused("E_FORMAT", ["inspect", file]);
  }
  await refused("E_NOT_FOUND", run("--specialization", join(folder, "absent")));
  await refused("E_USAGE", run("--specialization", file, "--prompt", "x"));
});

test("a folder that cannot be written is refused", async () => {
  const file = join(folder, "a-file");
  await writeFile(file, "");
  const args = ["specialize", "--pair", pair, "--prompt", "Say hello.", "--out", join(file, "out")];
  expect(await refused("E_IO", args)).toContain(file);
});

test.each([
  [["specalize"], /unknown command 'specalize' \(Did you mean specialize\?\)/],
  [["run", "--inptu", "hello"], /unknown option '--inptu' \(Did you mean --input\?\)/],
  [["run", "--threads", "many"], /Expected a whole number from 0/],
  [["run", "--temperature", "-1"], /Expected a number from 0/],
  [["run", "--device", "gpu"], /Allowed choices are cpu, webgpu, cuda/],
  [["run"], /expected --input TEXT/],
  [["train"], /expected --config FILE/],
  [["eval"], /expected --suite/],
  [["eval", "--suite", "x", "--methods", "prompted,bsae"], /found "bsae"/],
  [["plot"], /missing required argument 'run'/],
  [["inspect", "a", "b"], /too many arguments/],
])("a command line that makes no sense is refused: %s", async (args, message) => {
  expect(await refused("E_USAGE", args)).toMatch(message);
});

test("eval, train, plot and inspect refuse files that are not what they should be", async () => {
  const file = join(folder, "file.json");
  const absent = join(folder, "absent.json");
  const evaluate = (path: string) => ["eval", "--pair", pair, "--methods", "base", "--suite", path];
  await refused("E_NOT_FOUND", evaluate(absent));
  await writeFile(file, '{ "name": "x", "systemPrompt": "x", "samples": [] }');
  expect(await refused("E_FORMAT", evaluate(file))).toContain("samples");
  await refused("E_NOT_FOUND", ["train", "--config", absent]);
  await writeFile(file, '{ "kind": "language-model", "stepz": 3 }');
  expect(await refused("E_CONFIG", ["train", "--config", file])).toContain("stepz");
  await refused("E_NOT_FOUND", ["plot", absent]);
  await refused("E_NOT_FOUND", ["plot", pair]);
  await mkdir(join(folder, "run"));
  await writeFile(join(folder, "run", "log.jsonl"), '{"step":1,"loss":"low"}\n');
  expect(await refused("E_FORMAT", ["plot", join(folder, "run")])).toContain("log.jsonl:1");
  await writeFile(join(folder, "run", "log.jsonl"), "");
  await refused("E_DATA", ["plot", join(folder, "run")]);
  expect(await refused("E_FORMAT", ["inspect", dirname(folder)])).toContain("pair.json (a pair)");
  await refused("E_NOT_FOUND", ["inspect", absent]);
});

test("nothing was written by what was refused", async () => {
  expect((await readdir(folder)).filter((name) => /never|tmp/.test(name))).toEqual([]);
});

test("as a process: exit status 1, one line on stderr, no stack trace", async () => {
  const { status, stdout, stderr } = await loragen(specialize("--prompt", ""));
  expect([status, stdout]).toEqual([1, ""]);
  expect(stderr).toBe("error E_PROMPT: system prompt: expected text, found none\n");
});
