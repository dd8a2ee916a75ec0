/** @file Hostile weights: headers, shards and their index, made to mislead a reader that trusts one of them. */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { saveModel } from "../../src/models/model-file.ts";
import { parameterShapes } from "../../src/models/parameters.ts";
import { type Entry, nastyTexts, partsOf, safetensorsOf, survives } from "../support/hostile-commands.ts";
import { randomLlama } from "../support/random-llama.ts";

const root = mkdtempSync(join(tmpdir(), "hostile-weights-"));
const sound = join(root, "sound");
const model = join(root, "model");
const weights = join(model, "model.safetensors");
const index = join(model, "model.safetensors.index.json");
const shard = (i: number) => `model-0000${i}-of-00002.safetensors`;
let header: Record<string, Entry>;
let data: Uint8Array;
const [first, second] = ["lm_head.weight", "model.embed_tokens.weight"];

beforeAll(async () => {
  const { config, weights: values } = randomLlama();
  const names = [...parameterShapes(config).keys()];
  await saveModel(sound, config, new Map(names.map((name) => [name, (values[name] as { data: Float32Array }).data])));
  ({ header, data } = partsOf(readFileSync(join(sound, "model.safetensors"))));
});
afterAll(() => rmSync(root, { recursive: true }));

/** What reads headers alone, and what reads every value. */
async function outcomes(): Promise<string[]> {
  rmSync(join(root, "out"), { recursive: true, force: true });
  return [
    await survives(["inspect", model]),
    await survives(["quantize", "--model", model, "--out", join(root, "out")]),
  ];
}

function fresh(): void {
  rmSync(model, { recursive: true, force: true });
  cpSync(sound, model, { recursive: true });
}

async function refused(file: Uint8Array | string): Promise<void> {
  fresh();
  writeFileSync(weights, file);
  for (const code of await outcomes()) expect(code).toMatch(/^E_(FORMAT|LIMIT|DTYPE|SHAPE|NAN)$/);
}

/** The sound file with its header changed. */
const changed = (change: (header: Record<string, Entry>) => unknown): Buffer => {
  const copy = structuredClone(header);
  return safetensorsOf(change(copy) ?? copy, data);
};
const entry = (part: Partial<Entry>) => changed((all) => void Object.assign(all[first]!, part));

test("the sound file is read", async () => {
  fresh();
  expect(await outcomes()).toEqual(["ok", "ok"]);
});

describe("the length in front", () => {
  test.each([0n, 1n, 2n, 7n, 2n ** 31n, 2n ** 32n, 2n ** 32n + 8n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n])(
    "%s",
    (length) => refused(safetensorsOf(header, data, length)),
  );
  test.each([-9, -1, 1, 8])("%s from the right one", (by) =>
    refused(safetensorsOf(header, data, BigInt(Buffer.byteLength(JSON.stringify(header)) + by))),
  );
  test.each([0, 1, 7, 8, 9, 10])("a file of %s bytes", (bytes) =>
    refused(safetensorsOf(header, data).subarray(0, bytes)),
  );
});

describe("the header's text", () => {
  test.each<[string, string | Uint8Array]>([
    ["nothing", ""],
    ["an open brace", "{"],
    ["a list", "[]"],
    ["null", "null"],
    ["an empty object", "{}"],
    ["a byte order mark", "\ufeff{}"],
    ["UTF-16", Buffer.from('{"a":1}', "utf16le")],
    ["a byte that is no UTF-8", Buffer.concat([Buffer.from('{"'), Buffer.from([0xff]), Buffer.from('":1}')])],
    ["100,000 brackets", "[".repeat(100_000)],
    ["100,000 objects", '{"a":'.repeat(100_000)],
    ["a comment", "{/* */}"],
    ["90 MB of spaces", `{}${" ".repeat(90_000_000)}`],
    ["90 MB of one string", `{"__metadata__":{"a":"${"x".repeat(90_000_000)}"}}`],
    ["a number without end", `{"a":${"9".repeat(1_000_000)}}`],
    ["a string without end", `{"a${"\\u0000".repeat(100_000)}`],
  ])("%s", (_, text) => refused(safetensorsOf(text, data)));

  test("100,001 tensors", () => {
    const many = Array.from({ length: 100_001 }, (_, i) => `"${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`);
    return refused(safetensorsOf(`{${many.join(",")}}`));
  });
  test("one tensor named twice, once by an escape", () =>
    refused(
      safetensorsOf(
        JSON.stringify(header).replace("{", `{"lm\\u005fhead.weight":${JSON.stringify(header[first])},`),
        data,
      ),
    ));
});

describe("a tensor's", () => {
  test.each(nastyTexts)("name: %j", (name) =>
    refused(
      changed((all) => {
        const { [first]: moved, ...rest } = all;
        return `{${JSON.stringify(name)}:${JSON.stringify(moved)},${JSON.stringify(rest).slice(1)}`;
      }),
    ),
  );
  test.each<unknown>(["f32", "F32 ", "F64", "F8_E4M3", "F4", "\u001b[31mF32", 32, null, [], {}, "BOOL", "toString"])(
    "dtype: %j",
    (dtype) => refused(entry({ dtype })),
  );
  test.each<unknown>([
    [],
    [32],
    [32, 50],
    [1, 50, 32],
    [-50, -32],
    [50.5, 32],
    [2 ** 53, 0],
    [2 ** 27, 2 ** 27],
    [2 ** 52, 2 ** 52, 2 ** 52],
    [0, 2 ** 52],
    ["50", 32],
    [[50, 32]],
    Array.from({ length: 9 }, () => 1),
    Array.from({ length: 100_000 }, () => 1),
    "50,32",
    null,
    { 0: 50, 1: 32, length: 2 },
  ])("shape: no. %#", (shape) => refused(entry({ shape })));
  test.each<unknown>([
    [6400, 0],
    [0, 6401],
    [1, 6401],
    [6400, 12800],
    [-1, 6399],
    [0.5, 6400.5],
    ["0", "6400"],
    [0],
    [0, 6400, 0],
    [0, 2 ** 53],
    [2 ** 60, 2 ** 60 + 6400],
    null,
    {},
  ])("offsets: %j", (offsets) => refused(entry({ data_offsets: offsets })));
  test.each(["1e999", "-0", "0x10", "NaN", "007"])("offset as the text %s", (text) =>
    refused(safetensorsOf(JSON.stringify(header).replace('"data_offsets":[0,', `"data_offsets":[${text},`), data)),
  );
  test.each<unknown>([null, 7, [], "x", { extra: 1 }])("entry: %j", (value) =>
    refused(
      changed(
        (all) =>
          void Object.assign(all, {
            [first]:
              typeof value === "object" && value !== null && !Array.isArray(value)
                ? { ...all[first], ...value }
                : value,
          }),
      ),
    ),
  );
  test.each<unknown>([null, 7, [], { a: 1 }, { a: { b: "c" } }, { a: null }])("metadata: %j", (metadata) =>
    refused(changed((all) => void Object.assign(all, { __metadata__: metadata }))),
  );
  test("bytes: another tensor's", () =>
    refused(changed((all) => void Object.assign(all[first]!, { data_offsets: all[second]!.data_offsets }))));
  test.each([Number.NaN, Number.POSITIVE_INFINITY])("values: one is %d", async (value) => {
    fresh();
    const bytes = Buffer.from(data);
    bytes.writeFloatLE(value, 4);
    writeFileSync(weights, safetensorsOf(header, bytes));
    expect(await outcomes()).toEqual(["ok", "E_NAN"]);
  });
});

describe("in the place of the file:", () => {
  test.each<[string, () => void]>([
    ["a folder", () => mkdirSync(weights)],
    ["a pipe", () => execFileSync("mkfifo", [weights])],
    ["a link to itself", () => symlinkSync(weights, weights)],
    ["a link to nowhere", () => symlinkSync("nowhere", weights)],
    ["a device without end", () => symlinkSync("/dev/zero", weights)],
    ["a file of the kernel, larger than it says", () => symlinkSync("/proc/self/pagemap", weights)],
    [
      "a file of 8 TB, without content",
      () => {
        writeFileSync(weights, "");
        truncateSync(weights, 2 ** 43);
      },
    ],
    ["its own folder", () => symlinkSync(".", weights)],
  ])("%s", async (_, put) => {
    fresh();
    rmSync(weights);
    put();
    for (const code of await outcomes()) expect(code).toMatch(/^E_(FORMAT|IO|NOT_FOUND|LIMIT)$/);
  });
});

describe("an index of shards", () => {
  let map: Record<string, string>;

  /** The sound model in two files. */
  function shards(): void {
    fresh();
    rmSync(weights);
    const names = Object.keys(header).filter((name) => name !== "__metadata__");
    map = {};
    [names.slice(0, 5), names.slice(5)].forEach((part, i) => {
      let at = 0;
      const pieces: Uint8Array[] = [];
      const entries: Record<string, Entry> = {};
      for (const name of part) {
        const [from, to] = header[name]!.data_offsets as [number, number];
        pieces.push(data.subarray(from, to));
        entries[name] = { ...header[name]!, data_offsets: [at, at + to - from] };
        at += to - from;
        map[name] = shard(i + 1);
      }
      writeFileSync(join(model, shard(i + 1)), safetensorsOf(entries, Buffer.concat(pieces)));
    });
    writeFileSync(index, JSON.stringify({ metadata: { total_size: data.length }, weight_map: map }));
  }

  test("that is sound is followed", async () => {
    shards();
    expect(await outcomes()).toEqual(["ok", "ok"]);
  });

  async function refusedIndex(text: string | (() => void)): Promise<void> {
    shards();
    if (typeof text === "string") writeFileSync(index, text);
    else text();
    for (const code of await outcomes()) expect(code).toMatch(/^E_(FORMAT|IO|NOT_FOUND|LIMIT)$/);
  }
  const withMap = (change: (map: Record<string, unknown>) => unknown) => () => {
    const copy: Record<string, unknown> = { ...map };
    writeFileSync(index, JSON.stringify({ weight_map: change(copy) ?? copy }));
  };

  test.each([
    "",
    "{",
    "[]",
    "null",
    "7",
    "{}",
    '{"weight_map":[]}',
    '{"weight_map":null}',
    '{"weight_map":{}}',
    '{"weight_map":{"a":7}}',
    '{"weight_map":{"a":null}}',
    `{"weight_map":${"[".repeat(1000)}`,
  ])("of the text %.40s", (text) => refusedIndex(text));
  test.each([
    ...nastyTexts,
    "config.json",
    "model.safetensors.index.json",
    ".safetensors",
    "a/../b.safetensors",
    "a\\b.safetensors",
    "A.SAFETENSORS",
    "CON.safetensors",
  ])("that names a shard no. %#", (name) => refusedIndex(withMap((all) => void Object.assign(all, { [first]: name }))));
  // Nothing can have the name "__proto__" here: it is left out.
  test.each(nastyTexts.filter((name) => name !== "__proto__"))(
    "that places a tensor no. %# that no shard has",
    (name) =>
      refusedIndex(() =>
        writeFileSync(
          index,
          JSON.stringify({ weight_map: map }).replace(
            '{"weight_map":{',
            `{"weight_map":{${JSON.stringify(name)}:"${shard(1)}",`,
          ),
        ),
      ),
  );
  test("that names more shards than allowed", () =>
    refusedIndex(
      withMap(() => Object.fromEntries(Array.from({ length: 4097 }, (_, i) => [`t${i}`, `s${i}.safetensors`]))),
    ));
  test("that leaves a tensor out", () => refusedIndex(withMap((all) => void delete all[first])));
  test("that places a tensor in the other shard", () =>
    refusedIndex(
      withMap((all) => void Object.assign(all, { [first]: all[first] === shard(1) ? shard(2) : shard(1) })),
    ));
  test("that names a tensor twice", () =>
    refusedIndex(() =>
      writeFileSync(
        index,
        JSON.stringify({ weight_map: map }).replace('{"weight_map":{', `{"weight_map":{"${first}":"${shard(2)}",`),
      ),
    ));
  test("whose shards hold the same tensors", () =>
    refusedIndex(() => cpSync(join(model, shard(1)), join(model, shard(2)))));
  test("whose shard is the other one's link", () =>
    refusedIndex(() => {
      rmSync(join(model, shard(2)));
      symlinkSync(shard(1), join(model, shard(2)));
    }));
  test("whose shard is gone", () => refusedIndex(() => rmSync(join(model, shard(2)))));
  test("whose shard is a pipe", () =>
    refusedIndex(() => {
      rmSync(join(model, shard(2)));
      execFileSync("mkfifo", [join(model, shard(2))]);
    }));
  test("that is a pipe", () =>
    refusedIndex(() => {
      rmSync(index);
      execFileSync("mkfifo", [index]);
    }));
  test("that is a device without end", () =>
    refusedIndex(() => {
      rmSync(index);
      symlinkSync("/dev/zero", index);
    }));
  test("of 65 MB", () => refusedIndex(`{"weight_map":{}}${" ".repeat(65 * 2 ** 20)}`));
  test("beside a shard cut off", () => refusedIndex(() => truncateSync(join(model, shard(2)), 2000)));
  test("whose total is a lie is followed: nothing depends on it", async () => {
    shards();
    writeFileSync(index, JSON.stringify({ metadata: { total_size: -1e308 }, weight_map: map }));
    expect(await outcomes()).toEqual(["ok", "ok"]);
  });
});
