/** @file Hostile run folders: checkpoints, log, configuration and lock, made to mislead a run that goes on from them. */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Entry, nastyTexts, partsOf, safetensorsOf, survives } from "../support/hostile-commands.ts";
import { configureLanguageModel, writeRunInputs } from "../support/training-runs.ts";

const root = mkdtempSync(join(tmpdir(), "hostile-runs-"));
const sound = join(root, "sound");
const run = join(root, "run");
const at = (name: string) => join(run, name);
const newest = at("checkpoints/step-00000004.safetensors");
const before = at("checkpoints/step-00000002.safetensors");
let config: string;
let header: Record<string, Entry>;
let metadata: Record<string, string>;
let data: Uint8Array;

/** Two checkpoints of a run that has two steps to go. */
beforeAll(async () => {
  await writeRunInputs(root);
  const changes = {
    steps: 4,
    checkpointEvery: 2,
    validateEvery: 2,
    optimizer: { learningRate: 0.01, scheduleSteps: 6, warmupSteps: 1 },
  };
  expect(await survives(["train", "--config", configureLanguageModel(root, run, changes)])).toBe("ok");
  config = configureLanguageModel(root, run, { ...changes, steps: 6 });
  cpSync(run, sound, { recursive: true });
  const parts = partsOf(readFileSync(join(sound, "checkpoints", "step-00000004.safetensors")));
  const { __metadata__: found, ...tensors } = parts.header as unknown as Record<string, Entry> & {
    __metadata__: Record<string, string>;
  };
  metadata = found;
  header = tensors;
  data = parts.data;
});
afterAll(() => rmSync(root, { recursive: true }));

const resume = () => survives(["train", "--config", config, "--resume"]);

/** Goes on in a fresh folder that was changed. */
async function goesOn(change: () => void): Promise<string> {
  rmSync(run, { recursive: true, force: true });
  cpSync(sound, run, { recursive: true });
  change();
  await survives(["inspect", run]);
  return resume();
}

test("a sound run goes on", async () => {
  expect(await goesOn(() => undefined)).toBe("ok");
});

/** The newest checkpoint is replaced: the run goes on from the one before, and keeps the hostile one aside. */
async function fallsBack(file: Uint8Array | string): Promise<void> {
  expect(await goesOn(() => writeFileSync(newest, file))).toBe("ok");
  expect(readdirSync(at("checkpoints")).filter((name) => name.endsWith(".damaged"))).toEqual([
    "step-00000004.safetensors.damaged",
  ]);
  expect(existsSync(at("checkpoints/step-00000006.safetensors"))).toBe(true);
}
const withMetadata = (change: Record<string, unknown>) =>
  safetensorsOf({ __metadata__: { ...metadata, ...change }, ...header }, data);

describe("a newest checkpoint", () => {
  test.each(["", "{", "no", "\0".repeat(100)])("of the text %j", (text) => fallsBack(text));
  test("cut off", () =>
    fallsBack(readFileSync(join(sound, "checkpoints", "step-00000004.safetensors")).subarray(0, 2000)));
  test.each<unknown>([undefined, "", "lora-gen checkpoint 2", "\u001b[2J", 7])("of the kind %j", (kind) =>
    fallsBack(withMetadata({ kind })),
  );
  test.each<unknown>(["-1", "1.5", "1e999", "NaN", "9007199254740993", "", "x", "\u001b[2J", undefined, 4])(
    "of step %j",
    (step) => fallsBack(withMetadata({ step })),
  );
  test.each<unknown>([
    "",
    "{",
    "7",
    "null",
    "[]",
    "{}",
    '{"bestLoss":"x","bestStep":1}',
    '{"bestLoss":1e999,"bestStep":1}',
    "[".repeat(1000),
    `"${"x".repeat(1_000_000)}"`,
    undefined,
  ])("of the state no. %#, without the hash of it", (state) => fallsBack(withMetadata({ state })));
  test.each(["", "x", "0".repeat(64), "\u001b[2J"])("of the hash %j", (sha256) => fallsBack(withMetadata({ sha256 })));
  test("of another type of numbers", () => {
    const [name] = Object.keys(header);
    return fallsBack(
      safetensorsOf({ __metadata__: metadata, ...header, [name!]: { ...header[name!], dtype: "I32" } }, data),
    );
  });
  test("without one of its tensors", () => {
    const last = Object.entries(header).sort(
      ([, a], [, b]) => (b.data_offsets as number[])[0]! - (a.data_offsets as number[])[0]!,
    )[0]!;
    const { [last[0]]: _, ...rest } = header;
    return fallsBack(
      safetensorsOf({ __metadata__: metadata, ...rest }, data.subarray(0, (last[1].data_offsets as number[])[0])),
    );
  });
  test("with a number changed", () => {
    const other = Uint8Array.from(data);
    other[5]! ^= 64;
    return fallsBack(safetensorsOf({ __metadata__: metadata, ...header }, other));
  });
});

describe("a newest checkpoint without a hash, as earlier versions wrote them,", () => {
  const old = (change: Record<string, unknown>, tensors = header) => {
    const { sha256: _, ...rest } = metadata;
    return safetensorsOf({ __metadata__: { ...rest, ...change }, ...tensors }, data);
  };
  test("is gone on from", async () => {
    expect(await goesOn(() => writeFileSync(newest, old({})))).toBe("ok");
    expect(readdirSync(at("checkpoints")).some((name) => name.endsWith(".damaged"))).toBe(false);
  });
  test.each<unknown>(["7", "null", "[]", "{}", '{"bestLoss":"x","bestStep":1}', '{"bestLoss":0,"bestStep":1e99}'])(
    "of the state %j is refused",
    async (state) => {
      expect(await goesOn(() => writeFileSync(newest, old({ state })))).toBe("E_FORMAT");
    },
  );
  const short = nastyTexts.filter((name) => name.length < 1000); // a longer one is damage
  test.each(short)("with a tensor of the name no. %# is refused", async (name) => {
    const [first, ...others] = Object.entries(header);
    const text = JSON.stringify({
      __metadata__: JSON.parse(JSON.stringify({ kind: metadata["kind"], step: "4", state: metadata["state"] })),
      ...Object.fromEntries(others),
    });
    const file = safetensorsOf(`{${JSON.stringify(name)}:${JSON.stringify(first![1])},${text.slice(1)}`, data);
    expect(await goesOn(() => writeFileSync(newest, file))).toBe("E_MISMATCH");
  });
  test("with a step beyond the run's end is refused", async () => {
    expect(await goesOn(() => writeFileSync(newest, old({ step: "9007199254740991" })))).toBe("E_MISMATCH");
  });
});

describe("in the place of", () => {
  const put: Readonly<Record<string, (path: string) => void>> = {
    "a pipe": (path) => execFileSync("mkfifo", [path]),
    "a folder": (path) => mkdirSync(path),
    "a link to itself": (path) => symlinkSync(path, path),
    "a link to nowhere": (path) => symlinkSync("nowhere", path),
    "a device without end": (path) => symlinkSync("/dev/zero", path),
    "8 TB without content": (path) => {
      writeFileSync(path, "");
      truncateSync(path, 2 ** 43);
    },
  };
  for (const [what, path] of [
    ["the newest checkpoint", newest],
    ["the log", at("log.jsonl")],
    ["the configuration", at("config.json")],
    ["the lock", at("train.lock")],
    ["the best state", at("best")],
    ["all checkpoints", at("checkpoints")],
  ] as const)
    test.each(Object.keys(put))(`${what}: %s`, async (kind) => {
      await goesOn(() => {
        rmSync(path, { recursive: true, force: true });
        put[kind]!(path);
      });
    });
});

describe("file names that only look like checkpoints:", () => {
  test.each([
    "step-00000005",
    "step-5.safetensors",
    "step-00000005.safetensors.damaged",
    ".step-00000005.safetensors.0123456789ab.tmp",
    "step-0000000x.safetensors",
    "notes\u001b[2J",
  ])("%j", async (name) => {
    expect(await goesOn(() => writeFileSync(at(`checkpoints/${name}`), "no"))).toBe("ok");
  });
  test("a step that no number holds", async () => {
    expect(await goesOn(() => renameSync(before, at("checkpoints/step-99999999999999999999999.safetensors")))).toBe(
      "ok",
    );
  });
});

describe("a log", () => {
  test.each([
    "\u001b[2J\n",
    "{\n",
    "[]\n",
    '{"step":-1}\n',
    '{"step":1e999}\n',
    `${"[".repeat(100_000)}\n`,
    '{"step":1,"__proto__":{}}\n',
    "\ufeff{}\n",
  ])("with the line no. %#", async (line) => {
    expect(await goesOn(() => writeFileSync(at("log.jsonl"), line))).toMatch(/^(ok|E_FORMAT|E_LIMIT)$/);
  });
});

describe("a configuration", () => {
  test.each([
    "",
    "{}",
    "[]",
    "null",
    '{"kind":"\u001b[2J"}',
    '{"__proto__":{"kind":"language-model"}}',
    "[".repeat(100_000),
  ])("of the text no. %#", async (text) => {
    expect(await goesOn(() => writeFileSync(at("config.json"), text))).toMatch(/^E_(FORMAT|LIMIT|CONFIG)$/);
    expect(readFileSync(at("config.json"), "utf8")).toBe(text);
  });
});

describe("a lock", () => {
  test.each(["", "1 x", "0 0", "-1 0", "99999999999999999999 x", "\u001b[2J", "x".repeat(4000)])(
    "of the text no. %# is nobody's",
    async (text) => {
      expect(await goesOn(() => writeFileSync(at("train.lock"), text))).toBe("ok");
    },
  );
});
