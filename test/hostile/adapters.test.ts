/** @file Hostile PEFT folders, pairs, generators and specialisations: what each may say, said wrongly. */
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
import { writePeft } from "../../src/lora/peft-format.ts";
import { type Entry, nastyTexts, partsOf, safetensorsOf, survives } from "../support/hostile-commands.ts";
import { randomAdapter } from "../support/random-adapter.ts";
import { writeTinyPair } from "../support/tiny-pair.ts";

const root = mkdtempSync(join(tmpdir(), "hostile-adapters-"));
const sound = join(root, "sound");
const work = join(root, "work");
const at = (name: string) => join(work, name);

beforeAll(async () => {
  const { edge } = await writeTinyPair(join(sound, "pair"));
  await writePeft(join(sound, "peft"), randomAdapter(edge, { rank: 2 }), { baseName: "x" });
  const args = ["specialize", "--pair", join(sound, "pair"), "--prompt", "Say hello.", "--out", join(sound, "task")];
  expect(await survives(args)).toBe("ok");
});
afterAll(() => rmSync(root, { recursive: true }));

function fresh(): void {
  rmSync(work, { recursive: true, force: true });
  cpSync(sound, work, { recursive: true });
}

/** A JSON file with some of its values changed; undefined removes one. */
function edit(path: string, change: Readonly<Record<string, unknown>>): void {
  const json = JSON.parse(readFileSync(at(path), "utf8")) as Record<string, unknown>;
  for (const [keys, value] of Object.entries(change)) {
    const parts = keys.split(".");
    const last = parts.pop()!;
    const holder = parts.reduce((inner, key) => inner[key] as Record<string, unknown>, json);
    if (value === undefined) delete holder[last];
    else holder[last] = value;
  }
  writeFileSync(at(path), JSON.stringify(json));
}

const put: Readonly<Record<string, (path: string) => void>> = {
  "a pipe": (path) => execFileSync("mkfifo", [path]),
  "a folder": (path) => mkdirSync(path),
  "a link to itself": (path) => symlinkSync(path, path),
  "a device without end": (path) => symlinkSync("/dev/zero", path),
  "a file of the kernel, larger than it says": (path) => symlinkSync("/proc/self/pagemap", path),
  "8 TB without content": (path) => {
    writeFileSync(path, "");
    truncateSync(path, 2 ** 43);
  },
};
const texts = ["", "{", "[]", "null", "7", '"x"', "{}", "[".repeat(100_000), "\ufeff{}", "{'a':1}", "NaN"];

describe("a PEFT adapter", () => {
  const merge = () => survives(["merge", "--adapter", at("peft"), "--base", at("pair/edge"), "--out", at("out")]);
  async function outcome(change: () => void): Promise<string> {
    fresh();
    change();
    await survives(["inspect", at("peft")]);
    return merge();
  }
  const config = "peft/adapter_config.json";
  const weights = "peft/adapter_model.safetensors";

  test("that is sound is merged", async () => {
    expect(await outcome(() => undefined)).toBe("ok");
  });
  test.each(texts)("whose configuration is no. %#", async (text) => {
    expect(await outcome(() => writeFileSync(at(config), text))).toMatch(/^E_(FORMAT|LIMIT|CONFIG)$/);
  });
  test.each<[string, unknown]>([
    ["r", 0],
    ["r", -1],
    ["r", 1.5],
    ["r", 2 ** 40],
    ["r", "2"],
    ["r", 3],
    ["lora_alpha", null],
    ["lora_alpha", "1"],
    ["lora_alpha", 1e308],
    ["lora_alpha", 0],
    ["peft_type", "LOHA"],
    ["peft_type", "\u001b[2J"],
    ["peft_type", ["LORA"]],
    ["target_modules", 7],
    ["target_modules", "(a+)+$"],
    ["target_modules", ["q_proj", 7]],
    ["target_modules", Array.from({ length: 5000 }, () => "q_proj")],
    ["target_modules", { q_proj: true }],
    ["rank_pattern", { ["(a*)*b".repeat(40)]: 2 }],
    ["rank_pattern", { "\u001b[2J": 2 }],
    ["rank_pattern", { q_proj: 2 ** 60 }],
    ["rank_pattern", { q_proj: "2" }],
    ["rank_pattern", []],
    ["alpha_pattern", { "[": 1 }],
    ["alpha_pattern", { q_proj: 1e308 }],
    ["alpha_pattern", "x"],
    ["bias", "\u202eall"],
    ["bias", true],
    ["use_dora", "yes"],
    ["use_rslora", 1],
    ["layers_to_transform", [-1]],
    ["layers_to_transform", [1e9]],
    ["layers_pattern", "(x+x+)+y"],
    ["modules_to_save", ["lm_head"]],
    ["exclude_modules", "(.*)*$"],
    ["unknown\u001b[2J", { a: 1 }],
    ["base_model_name_or_path", "\u001b[2J"],
    ["base_model_name_or_path", 7],
  ])("whose %j is no. %#", async (key, value) => {
    expect(await outcome(() => edit(config, { [key]: value }))).toMatch(
      /^(ok|E_(FORMAT|LIMIT|CONFIG|MISMATCH|NAN|SHAPE))$/,
    );
  });
  test.each(nastyTexts)("with a tensor of the name no. %#", async (name) => {
    const code = await outcome(() => {
      const { header, data } = partsOf(readFileSync(at(weights)));
      const [[, first], ...others] = Object.entries(header).filter(([key]) => key !== "__metadata__") as [
        [string, Entry],
        ...[string, Entry][],
      ];
      writeFileSync(
        at(weights),
        safetensorsOf(
          `{${JSON.stringify(name)}:${JSON.stringify(first)},${JSON.stringify(Object.fromEntries(others)).slice(1)}`,
          data,
        ),
      );
    });
    expect(code).toMatch(/^E_(FORMAT|LIMIT|CONFIG|MISMATCH)$/);
  });
  test.each([Number.NaN, Number.POSITIVE_INFINITY, 3e38])("with the value %d", async (value) => {
    const code = await outcome(() => {
      const { header, data } = partsOf(readFileSync(at(weights)));
      const bytes = Buffer.from(data);
      for (let i = 0; i + 4 <= bytes.length; i += 4) bytes.writeFloatLE(value, i);
      writeFileSync(at(weights), safetensorsOf(header, bytes));
    });
    expect(code).toMatch(/^E_/);
  });
  for (const file of [config, weights])
    test.each(Object.keys(put))(`whose ${file} is %s`, async (kind) => {
      const code = await outcome(() => {
        rmSync(at(file));
        put[kind]!(at(file));
      });
      expect(code).toMatch(/^E_(FORMAT|IO|NOT_FOUND|LIMIT)$/);
    });
});

const run = () =>
  survives(["run", "--pair", at("pair"), "--specialization", at("task"), "--input", "hi", "--max-tokens", "1"]);

describe("a specialisation", () => {
  const file = "task/specialization.json";
  async function outcome(change: () => void): Promise<string> {
    fresh();
    change();
    await survives(["inspect", at("task")]);
    return run();
  }
  test("that is sound is used", async () => {
    expect(await outcome(() => undefined)).toBe("ok");
  });
  test.each(texts)("of the text no. %#", async (text) => {
    expect(await outcome(() => writeFileSync(at(file), text))).toMatch(/^E_(FORMAT|LIMIT)$/);
  });
  test.each<[string, unknown]>([
    ["format", "lora-gen specialization 99"],
    ["format", "\u001b[2J"],
    ["version", "\u001b[2J"],
    ["version", "\u202e1.0"],
    ["version", "x".repeat(1000)],
    ["layers", 0],
    ["layers", 1e9],
    ["layers", 1.5],
    ["layers", 3],
    ["experts", 4097],
    ["experts", 1],
    ["experts", -4],
    ["topK", 0],
    ["topK", 5],
    ["topK", 1],
    ["gates", []],
    ["gates", [[]]],
    ["gates", "x"],
    ["gates", null],
    [
      "gates",
      [
        [[0, 1]],
        [
          [0, 1],
          [0, 1],
        ],
      ],
    ],
    ["gates", [[[0, 1]], [[9, 1]]]],
    ["gates", [[[-1, 1]], [[0, 1]]]],
    ["gates", [[[0.5, 1]], [[0, 1]]]],
    ["gates", [[[0, 1e4]], [[0, 1]]]],
    ["gates", [[[0, null]], [[0, 1]]]],
    ["gates", [[[0, "1"]], [[0, 1]]]],
    ["gates", [[[0, 1, 2]], [[0, 1]]]],
    ["gates", Array.from({ length: 1025 }, () => [])],
    ["gates", [Array.from({ length: 100_000 }, (_, i) => [i, 1]), []]],
    ["promptTokens", 0],
    ["promptTokens", 1e308],
    ["truncated", "no"],
    ["sha256", null],
    ["sha256.edge", "0".repeat(64)],
    ["sha256.edge", "\u001b[2J"],
    ["sha256.cloud", "A".repeat(64)],
    ["sha256.generator", undefined],
    ["cloudQuantization", { bits: 3 }],
    ["cloudQuantization", { bits: 8, blockSize: 1e9, symmetric: true }],
    ["more\u001b[2J", 1],
  ])("whose %j is no. %#", async (key, value) => {
    expect(await outcome(() => edit(file, { [key]: value }))).toMatch(/^E_(FORMAT|LIMIT|MISMATCH)$/);
  });
  test.each(['"__proto__":{"layers":2},', '"__proto__":null,'])("with %s", async (text) => {
    expect(
      await outcome(() => writeFileSync(at(file), readFileSync(at(file), "utf8").replace("{", `{${text}`))),
    ).toMatch(/^(ok|E_FORMAT)$/);
  });
  test.each(["1e999", "-1e999", "1e-400", "0x1", "1_000", "٣"])("with a gate spelled %s", async (text) => {
    expect(
      await outcome(() =>
        writeFileSync(at(file), readFileSync(at(file), "utf8").replace(/\[0,[^\]]*\]/, `[0,${text}]`)),
      ),
    ).toMatch(/^(ok|E_FORMAT)$/);
  });
  test.each(Object.keys(put))("that is %s", async (kind) => {
    const code = await outcome(() => {
      rmSync(at(file));
      put[kind]!(at(file));
    });
    expect(code).toMatch(/^E_(FORMAT|IO|NOT_FOUND|LIMIT)$/);
  });
});

describe("a pair and its generator", () => {
  async function outcome(change: () => void): Promise<string> {
    fresh();
    change();
    await survives(["inspect", at("pair")]);
    return run();
  }
  test.each(texts)("whose pair.json is no. %#", async (text) => {
    expect(await outcome(() => writeFileSync(at("pair/pair.json"), text))).toMatch(/^E_(FORMAT|LIMIT)$/);
  });
  test.each(texts)("whose generator.json is no. %#", async (text) => {
    expect(await outcome(() => writeFileSync(at("pair/generator/generator.json"), text))).toMatch(/^E_(FORMAT|LIMIT)$/);
  });
  test.each(nastyTexts.flatMap((text) => ["edge", "generator", "tokenizer"].map((key) => [key, text] as const)))(
    "whose %s lies in no. %#",
    async (key, text) => {
      expect(await outcome(() => edit("pair/pair.json", { [key]: text }))).toMatch(/^E_(FORMAT|LIMIT|NOT_FOUND|IO)$/);
    },
  );
  test.each(nastyTexts)("of the name no. %#", async (text) => {
    expect(await outcome(() => edit("pair/pair.json", { name: text }))).toMatch(/^(ok|E_FORMAT)$/);
  });
  test.each<[string, unknown]>([
    ["experts", 0],
    ["experts", 1e9],
    ["topK", 99],
    ["rank", 1e9],
    ["rank", -1],
    ["alpha", 1e308],
    ["alpha", 0],
    ["alpha", "8"],
    ["cloudRank", 2 ** 31],
    ["routerHidden", 1e9],
    ["targets", []],
    ["targets", ["toString"]],
    ["targets", ["gate", "gate"]],
    ["compose", "\u001b[2J"],
    ["strategy", "__proto__"],
    ["unknown\u001b[2J", 1],
  ])("whose generator's %j is no. %#", async (key, value) => {
    expect(await outcome(() => edit("pair/generator/generator.json", { [`generator.${key}`]: value }))).toMatch(
      /^E_(FORMAT|LIMIT|SHAPE|CONFIG|MISMATCH|NAN)$/,
    );
  });
  test.each(
    [
      "pair/pair.json",
      "pair/generator/generator.json",
      "pair/generator/model.safetensors",
      "pair/edge/config.json",
    ].flatMap((file) => Object.keys(put).map((kind) => [file, kind] as const)),
  )("whose %s is %s", async (file, kind) => {
    const code = await outcome(() => {
      rmSync(at(file));
      put[kind]!(at(file));
    });
    expect(code).toMatch(/^E_(FORMAT|IO|NOT_FOUND|LIMIT)$/);
  });
});
