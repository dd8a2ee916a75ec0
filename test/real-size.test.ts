/** @file The benchmark of full-size models: shapes, weights on disk, rows and tables. */
import { mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parameterCount } from "../bench/real-size/measurements.ts";
import { hasRow, putRow, type Row, readRows } from "../bench/real-size/rows.ts";
import { realModel, realModelNames } from "../bench/real-size/shapes.ts";
import { markdownTables } from "../bench/real-size/table.ts";
import { randomWeights, writeRandomModel } from "../bench/real-size/weights.ts";
import { mappedWeightBytes, ownKilobytes, watchMemory } from "../bench/support/memory.ts";
import { createCachedModel } from "../src/decode/cached-model.ts";
import { openSafetensorsModel, readModelTensor } from "../src/files/safetensors-model.ts";
import { readModelConfig } from "../src/models/config-file.ts";
import { openModel } from "../src/models/model-file.ts";
import { parameterShapes } from "../src/models/parameters.ts";

const folder = () => mkdtempSync(join(tmpdir(), "real-size-"));

// The counts that the models' own pages state, in millions.
test.each([
  ["TinyLlama-1.1B", 1100],
  ["Qwen2-1.5B", 1544],
  ["Gemma-2-2B", 2614],
  ["OPT-2.7B", 2652],
  ["Llama-3-8B", 8030],
] as const)("%s has %d million parameters", (name, millions) => {
  expect(Math.round(parameterCount(realModel(name).config) / 1e6)).toBe(millions);
});

test.each(realModelNames)(
  "a small %s on disk opens as the shape it is, its weights in shards of bf16",
  async (name) => {
    const { config } = realModel(name, { quick: true });
    const directory = folder();
    await writeRandomModel(directory, config, "seed", { shardBytes: 1e6 });
    expect(await readModelConfig(directory)).toEqual(config);
    const files = await openSafetensorsModel(directory);
    expect(files.files.length).toBeGreaterThan(1);
    expect(new Set([...files.tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(["BF16"]));
    expect((await openModel(directory)).parameterCount).toBe(parameterCount(config));
    const [last, shape] = [...parameterShapes(config)].at(-1)!;
    const wanted = randomWeights(config, "seed")(last, shape);
    const found = await readModelTensor(files, last);
    for (let i = 0; i < wanted.length; i += 97)
      expect(Math.abs(found[i]! - wanted[i]!)).toBeLessThanOrEqual(Math.abs(wanted[i]!) / 256);
  },
);

test("gains leave what passes them as it is; other weights have a standard deviation of 0.02 and follow their seed and name", () => {
  const { config } = realModel("TinyLlama-1.1B", { quick: true });
  const gemma = realModel("Gemma-2-2B", { quick: true }).config;
  expect([...randomWeights(config, "a")("model.norm.weight", [3])]).toEqual([1, 1, 1]);
  expect([...randomWeights(gemma, "a")("model.norm.weight", [3])]).toEqual([0, 0, 0]);
  const values = randomWeights(config, "a")("lm_head.weight", [64, 64]);
  expect(Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length)).toBeCloseTo(0.02, 3);
  expect(randomWeights(config, "a")("lm_head.weight", [64, 64])).toEqual(values);
  expect(randomWeights(config, "b")("lm_head.weight", [64, 64])).not.toEqual(values);
  expect(randomWeights(config, "a")("other.weight", [64, 64])).not.toEqual(values);
});

test("weights that are there already are not written again", async () => {
  const { config } = realModel("TinyLlama-1.1B", { quick: true });
  const directory = folder();
  await writeRandomModel(directory, config, "seed");
  const path = join(directory, "model.safetensors");
  const before = statSync(path).ino;
  await writeRandomModel(directory, config, "seed");
  expect(statSync(path).ino).toBe(before);
});

test("own memory is what no file stands behind; of mapped files only weights count, each part once", () => {
  const status = ["VmHWM:\t9000 kB", "RssAnon:\t100 kB", "RssFile:\t5000 kB", "RssShmem:\t20 kB", "VmSwap:\t3 kB"];
  expect(ownKilobytes(status.join("\n"))).toBe(123);
  const maps = [
    "10000000-10004000 rw-p 00001000 fe:00 7                    /a b/model.safetensors",
    "20000000-20002000 rw-p 00004000 fe:00 7                    /a b/model.safetensors",
    "30000000-30001000 r--p 00002000 fe:00 7                    /a b/model.safetensors",
    "40000000-40001000 r--s 00000000 fe:00 8                    /c.gguf (deleted)",
    "50000000-50100000 r-xp 00000000 fe:00 9                    /usr/lib/libc.so.6",
    "60000000-60100000 rw-p 00000000 00:00 0 ",
  ];
  expect(mappedWeightBytes(`${maps.join("\n")}\n`)).toBe(0x5000 + 0x1000); // from 0x1000 to 0x6000, and the other file
});

test.skipIf(process.platform !== "linux")(
  "of a process, buffers are its own memory, and weights that a session has mapped are not (skipped where /proc is missing)",
  async () => {
    const { config } = realModel("TinyLlama-1.1B", { quick: true });
    const directory = folder();
    await writeRandomModel(directory, config, "seed", { dtype: "F32", shardBytes: Infinity });
    const memory = watchMemory();
    const before = memory();
    await using cached = await createCachedModel(await openModel(directory), { threads: 1, capacity: 8 });
    await cached.feed([1, 2, 3]);
    const opened = memory();
    const embeddingMb = (4 * config.vocab * config.hidden) / 1e6;
    const fileMb = statSync(join(directory, "model.safetensors")).size / 1e6;
    expect(opened.mappedMb! - before.mappedMb!).toBeGreaterThanOrEqual(embeddingMb);
    expect(opened.mappedMb! - before.mappedMb!).toBeLessThan(fileMb + 1);
    const held = new Uint8Array(256e6).fill(1);
    expect(memory().ownMb! - opened.ownMb!).toBeGreaterThan(128); // others' garbage may go meanwhile
    expect(memory().mappedMb).toBe(opened.mappedMb);
    expect(held.at(-1)).toBe(1);
  },
);

const row = (changes: Partial<Row> = {}): Row => ({
  model: "TinyLlama-1.1B",
  measurement: "run int8",
  values: { "load s": 1.25, "own MB": 400, "mapped MB": 2000, "prefill tokens/s": 90, "decode tokens/s": 9.5 },
  about: { promptTokens: 256 },
  machine: { cores: 2 },
  ...changes,
});

test("a row is added to those before it, and takes the place of its own kind", async () => {
  const path = join(folder(), "rows.json");
  expect(await readRows(path)).toEqual([]);
  await putRow(path, row());
  await putRow(path, row({ measurement: "run int4" }));
  await putRow(path, row({ values: { "load s": 2 } }));
  const rows = await readRows(path);
  expect(rows.map(({ measurement, values }) => [measurement, values["load s"]])).toEqual([
    ["run int4", 1.25],
    ["run int8", 2],
  ]);
  expect(hasRow(rows, row())).toBe(true);
  expect(hasRow(rows, row({ model: "OPT-2.7B" }))).toBe(false);
});

test("a file that is no table of rows is refused and left as it is", async () => {
  const path = join(folder(), "rows.json");
  writeFileSync(path, '{"rows": 3}');
  await expect(putRow(path, row())).rejects.toMatchObject({ code: "E_FORMAT" });
  expect(readFileSync(path, "utf8")).toBe('{"rows": 3}');
});

test("rows stand in the order of the shapes, then by measurement, numbers as numbers", () => {
  const names = ["run int8", "run int4-128", "run int4-64", "run int4 beside Q4_1", "run int4"];
  const rows = ["Llama-3-8B", "TinyLlama-1.1B"].flatMap((model) =>
    names.map((measurement) => row({ model, measurement })),
  );
  const [reading] = markdownTables(rows).split("**Decoding**");
  const shown = [...reading!.matchAll(/^\| (\S+) \| (int\S+) /gm)].map(([, ...cells]) => cells.join(" "));
  const weights = ["int4", "int4", "int4-64", "int4-128", "int8"];
  expect(shown).toEqual(["TinyLlama-1.1B", "Llama-3-8B"].flatMap((model) => weights.map((name) => `${model} ${name}`)));
});

test("over shapes a summary gives the least and the most ratio, and of how many the interval lies below 1, about it and above", () => {
  const found = [
    { model: "TinyLlama-1.1B", decode: [0.5, 0.4, 0.99] },
    { model: "Qwen2-1.5B", decode: [1, 0.9, 1.1] },
    { model: "Gemma-2-2B", decode: [1.25, 1.01, 1.5] },
    { model: "Llama-3-8B", decode: [0.99, 0.98, 1] },
  ] as const;
  const rows = found.map(({ model, decode: [ratio, low, high] }) => {
    const name = "decode, ours / llama.cpp";
    const decode = { [name]: ratio, [`${name}, low`]: low, [`${name}, high`]: high };
    return row({ model, measurement: "run int4-64", values: { "prefill, ours / llama.cpp": 2, ...decode } });
  });
  const lines = markdownTables([...rows, row({ measurement: "run int4" })]).split("\n");
  expect(lines[4]).toBe("| int4-64 | Q4_0 | 4.5, 4.5 | 4 | 2.00 to 2.00 | 0, 0, 0 | 0.50 to 1.25 | 1, 2, 1 |");
  expect(lines[5]).toBe(""); // int4 was not measured beside it
});

test("a table shows ours, the peer's where there is one, and their ratio with its interval; a generator's step says what it keeps", () => {
  const beside = row({
    model: "Qwen2-1.5B",
    measurement: "run int4 beside Q4_1",
    values: {
      ...row().values,
      "llama.cpp load s": 0.24,
      "llama.cpp own MB": 160,
      "llama.cpp mapped MB": 1040,
      "llama.cpp decode tokens/s": 10,
      "decode, ours / llama.cpp": 0.95,
      "decode, ours / llama.cpp, low": 0.9,
      "decode, ours / llama.cpp, high": 0.987,
      "prefill, ours / llama.cpp": 3,
    },
  });
  const training = row({ measurement: "train f32", values: { "step s": 17.14, "peak MB": 6908 } });
  const step = { "step s": 70.09, "own MB": 8383, "mapped MB": 6138, "peak MB": 14267 };
  const generator = row({
    model: "Llama-3-8B",
    measurement: "generator int4 TinyLlama-1.1B",
    values: step,
    about: { edge: "TinyLlama-1.1B, int8", recompute: true },
  });
  expect(markdownTables([row(), beside, training, generator])).toBe(`**Beside llama.cpp**, tokens/s of ours over its own

| ours | llama.cpp | bits | shapes | prefill | below, about, above 1 | decode | below, about, above 1 |
| --- | --- | --- | --: | --: | --: | --: | --: |
| int4 | Q4_1 | 5, 5 | 1 | 3.00 to 3.00 | 0, 0, 0 | 0.95 to 0.95 | 1, 0, 0 |

**Reading a prompt**

| model | weights | llama.cpp | tokens/s | llama.cpp tokens/s | ours / llama.cpp | 95 % |
| --- | --- | --- | --: | --: | --: | --: |
| TinyLlama-1.1B | int8 |  | 90.0 |  |  |  |
| Qwen2-1.5B | int4 | Q4_1 | 90.0 |  | 3.00 |  |

**Decoding**

| model | weights | llama.cpp | tokens/s | llama.cpp tokens/s | ours / llama.cpp | 95 % |
| --- | --- | --- | --: | --: | --: | --: |
| TinyLlama-1.1B | int8 |  | 9.5 |  |  |  |
| Qwen2-1.5B | int4 | Q4_1 | 9.5 | 10.0 | 0.95 | 0.90 to 0.99 |

**Loading**

| model | weights | llama.cpp | s | llama.cpp s | GB own + mapped | llama.cpp GB own + mapped |
| --- | --- | --- | --: | --: | --: | --: |
| TinyLlama-1.1B | int8 |  | 1.3 |  | 0.4 + 2.0 |  |
| Qwen2-1.5B | int4 | Q4_1 | 1.3 | 0.2 | 0.4 + 2.0 | 0.2 + 1.0 |

**A training step of 8 experts of rank 16**

| model | step s | PyTorch s | PyTorch / ours | peak GB | PyTorch peak GB |
| --- | --- | --: | --: | --: | --: |
| TinyLlama-1.1B | 17.1 |  |  | 6.9 |  |

**A whole training step of a generator**

| cloud | edge | activations | step s | PyTorch s | PyTorch / ours | GB own + mapped | peak GB | PyTorch peak GB |
| --- | --- | --: | --: | --: | --: | --: | --: | --: |
| Llama-3-8B, int4 | TinyLlama-1.1B, int8 | computed again | 70.1 |  |  | 8.4 + 6.1 | 14.3 |  |
`);
});
