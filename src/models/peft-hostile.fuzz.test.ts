/** @file 400 hostile PEFT adapters, each built to mean something: applied soundly to a model, or refused. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { type HostileTensor, hostileNames, readHostile, writeRawSafetensors } from "../../test/support/hostile.ts";
import { loragenHere } from "../../test/support/loragen.ts";
import { randomLlama } from "../../test/support/random-llama.ts";
import type { Rng } from "../base/rng.ts";
import { readPeftChange } from "../lora/peft-change.ts";
import { peftFiles } from "../lora/peft-config.ts";
import { saveModel } from "./model-file.ts";
import { parameterShapes } from "./parameters.ts";
import { peftBaseOf } from "./peft-base.ts";

const folder = mkdtempSync(join(tmpdir(), "hostile-"));
afterAll(() => rmSync(folder, { recursive: true }));

const small = { hidden: 8, ffn: 12, headDim: 2, vocab: 20 } as const;
const models = [
  randomLlama({ ...small, tied: false }),
  randomLlama({ ...small, tied: true }),
  randomLlama({ ...small, modelType: "qwen2", biased: ["q", "k", "v"] }),
];

type Adapter = { config: Record<string, unknown>; tensors: HostileTensor[]; head: string };
type Change = readonly [name: string, apply: (adapter: Adapter, rng: Rng) => void];

const at = (module: string, part: string) => `base_model.model.${module}.${part}`;

/** Random fp32 values. */
function tensor(rng: Rng, name: string, shape: readonly number[]): HostileTensor {
  const values = rng.fillNormal(new Float32Array(shape.reduce((a, b) => a * b, 1)), 0.3);
  return { name, dtype: "F32", shape, bytes: new Uint8Array(values.buffer) };
}

function sound(shapes: ReadonlyMap<string, readonly number[]>, rng: Rng): Adapter {
  const tensors: HostileTensor[] = [];
  for (const [name, shape] of shapes) {
    if (!/(q|up)_proj\.weight$/.test(name)) continue;
    const module = name.replace(/\.weight$/, "");
    tensors.push(tensor(rng, at(module, "lora_A.weight"), [2, shape[1]!]));
    tensors.push(tensor(rng, at(module, "lora_B.weight"), [shape[0]!, 2]));
  }
  const config = { peft_type: "LORA", r: 2, lora_alpha: 4, target_modules: ["q_proj", "up_proj"], bias: "none" };
  return { config, tensors, head: "" };
}

const set = (key: string, ...values: readonly unknown[]): Change => [
  `${key} = …`,
  ({ config }, rng) => {
    config[key] = rng.pick(values);
  },
];

const layer = "model.layers.0";
const expressions = [
  "(a+)+$",
  "(.*)*(.*)*(.*)*x",
  `(${".*".repeat(1500)})+!`,
  "((a{900}){900}){900}",
  "(".repeat(4000),
  "[",
  "(?=(.*))\\1",
  "\u001b[31m(",
  "x{0,1000}".repeat(400),
  "(|.)*".repeat(500),
  ".*",
  "",
  "model\\.layers\\.\\d+\\..*(q|up)_proj",
];
const numbers = [0, -1, 1, 1.5, 3, 65536, 65537, 2 ** 31, 2 ** 53, 1e300, -1e-300, null, "2", [2], {}, true];

const configChanges: readonly Change[] = [
  ...["target_modules", "exclude_modules"].map((key) =>
    set(
      key,
      ...expressions,
      ...hostileNames,
      null,
      [],
      {},
      7,
      hostileNames,
      [["q_proj"]],
      new Array(5000).fill("q_proj"),
      ["q_proj"],
      "all-linear",
    ),
  ),
  set("r", ...numbers),
  set("lora_alpha", ...numbers),
  set("layers_to_transform", ...numbers, [0], [0, 1, 1, 9], [-1], [2 ** 40]),
  set("layers_pattern", ...expressions, "layers", ["layers"], [], null),
  set(
    "modules_to_save",
    ...expressions.map((e) => [e]),
    [],
    ["norm"],
    ["lm_head"],
    ["embed_tokens", "lm_head"],
    ["model"],
    ["layers.0"],
    hostileNames,
  ),
  set(
    "trainable_token_indices",
    [0],
    [19, 20],
    [3, 3],
    [-1],
    { embed_tokens: [1] },
    { lm_head: [1] },
    { "": [1] },
    { __proto__: [1] },
    [2 ** 40],
    new Array(3000).fill(0),
  ),
  set("bias", "all", "lora_only", "none", "some", 1),
  ...["use_dora", "use_rslora", "lora_bias", "ensure_weight_tying", "fan_in_fan_out", "use_qalora"].map((key) =>
    set(key, true, false, null, "yes", 1),
  ),
  set("init_lora_weights", "pissa", "olora", "gaussian", "\u001b[2J", 3, true),
  set("base_model_name_or_path", "\u001b]52;c;eA==\u0007", "../../x", 3, "x".repeat(100_000)),
  set("peft_type", "LORA", "LOHA", "\u202eAROL", null),
  set("alora_invocation_tokens", [1], [], null),
  [
    "patterns",
    ({ config }, rng) => {
      const key = rng.pick(["rank_pattern", "alpha_pattern"]);
      const keys = [...expressions, ...hostileNames, "q_proj", "layers.0..*", "1", "0"];
      const pairs = Array.from({ length: rng.pick([1, 3, 60]) }, () => [rng.pick(keys), rng.pick(numbers)] as const);
      config[key] = rng.int(8) === 0 ? rng.pick([7, "x", [1]]) : Object.fromEntries(pairs);
    },
  ],
  [
    "4,000 expressions",
    ({ config }, rng) => {
      config["rank_pattern"] = Object.fromEntries(
        Array.from({ length: 4000 }, (_, i) => [`(${rng.pick([".*", "a+", "(x|y)*"])}){${i % 30}}z${i}`, 1]),
      );
    },
  ],
  [
    "an unknown key",
    ({ config }, rng) => {
      config[rng.pick(hostileNames)] = rng.pick([true, null, { deep: [[[[[1]]]]] }, "x"]);
    },
  ],
];

const replaced = (
  tensors: HostileTensor[],
  rng: Rng,
  changes: (old: HostileTensor) => Partial<HostileTensor>,
): void => {
  if (tensors.length === 0) return;
  const i = rng.int(tensors.length);
  tensors[i] = { ...tensors[i]!, ...changes(tensors[i]!) };
};

const ofFloats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);

const tensorChanges: readonly Change[] = [
  ["a tensor less", ({ tensors }, rng) => void tensors.splice(rng.int(tensors.length + 1), 1)],
  ["a tensor twice", ({ tensors }, rng) => void (tensors.length > 0 && tensors.push(rng.pick(tensors)))],
  ["another name", ({ tensors }, rng) => replaced(tensors, rng, () => ({ name: rng.pick(hostileNames) }))],
  [
    "a name around another",
    ({ tensors }, rng) => replaced(tensors, rng, ({ name }) => ({ name: at(rng.pick(hostileNames), name) })),
  ],
  [
    "sides exchanged",
    ({ tensors }, rng) =>
      replaced(tensors, rng, ({ name }) => ({
        name: name.replace(/lora_[AB]/, (side) => (side === "lora_A" ? "lora_B" : "lora_A")),
      })),
  ],
  [
    "an adapter's name",
    ({ tensors }, rng) => replaced(tensors, rng, ({ name }) => ({ name: name.replace(".weight", ".default.weight") })),
  ],
  ["a shape turned", ({ tensors }, rng) => replaced(tensors, rng, ({ shape }) => ({ shape: [...shape].reverse() }))],
  [
    "a shape of many",
    ({ tensors }, rng) =>
      replaced(tensors, rng, () => ({
        shape: rng.pick([[], [1], [2 ** 31, 2 ** 31], [0, 8], [-2, -8], [2, 2, 4], [1e300, 1]]),
      })),
  ],
  [
    "another type",
    ({ tensors }, rng) =>
      replaced(tensors, rng, () => ({
        dtype: rng.pick(["I32", "I64", "F16", "BF16", "F64", "U8", "BOOL", "F8_E4M3", "X", ""]),
      })),
  ],
  [
    "offsets elsewhere",
    ({ tensors }, rng) =>
      replaced(tensors, rng, ({ bytes }) => ({
        offsets: rng.pick([[0, bytes.length], [-1, 3], [2 ** 50, 2 ** 50 + bytes.length], [5, 2], [0.5, 1], []]),
      })),
  ],
  [
    "values that are none",
    ({ tensors }, rng) =>
      replaced(tensors, rng, ({ bytes }) => ({
        bytes: new Uint8Array(
          Buffer.concat([ofFloats(rng.pick([NaN, Infinity, -Infinity, 3e38, 1e-45])), bytes.subarray(4)]),
        ),
      })),
  ],
  [
    "a head as PEFT saves it",
    ({ tensors, config }, rng) => {
      config["target_modules"] = ["q_proj", "up_proj", "lm_head"];
      tensors.push(
        tensor(rng, at("lm_head", "lora_A.weight"), [2, 8]),
        tensor(rng, at("lm_head", "lora_B.weight"), [20, 2]),
      );
      tensors.push(
        tensor(
          rng,
          at("lm_head", "base_layer.weight"),
          rng.pick([
            [20, 8],
            [24, 8],
            [20, 9],
            [8, 20],
          ]),
        ),
      );
    },
  ],
  [
    "an embedding",
    ({ tensors, config }, rng) => {
      config["target_modules"] = ["q_proj", "up_proj", "embed_tokens"];
      tensors.push(
        tensor(
          rng,
          at("model.embed_tokens", "lora_embedding_A"),
          rng.pick([
            [2, 20],
            [20, 2],
            [2, 8],
          ]),
        ),
      );
      tensors.push(tensor(rng, at("model.embed_tokens", rng.pick(["lora_embedding_B", "lora_B.weight"])), [8, 2]));
    },
  ],
  [
    "whole parameters",
    ({ tensors, config }, rng) => {
      config["modules_to_save"] = rng.pick([
        ["lm_head"],
        ["norm"],
        ["embed_tokens"],
        ["mlp"],
        ["lm_head", "embed_tokens"],
      ]);
      for (const [name, shape] of [
        ["lm_head.weight", [20, 8]],
        ["model.embed_tokens.weight", [20, 8]],
        ["model.norm.weight", [8]],
      ] as const)
        if (rng.int(2) === 0)
          tensors.push(tensor(rng, `base_model.model.${name}`, rng.pick([shape, [...shape, 1], [9]])));
    },
  ],
  [
    "trained tokens",
    ({ tensors, config }, rng) => {
      config["trainable_token_indices"] = rng.pick([
        [1, 2],
        [1, 1],
        [19, 20],
        { embed_tokens: [1, 2] },
        { lm_head: [1, 2] },
      ]);
      const module = rng.pick(["model.embed_tokens", "lm_head", `${layer}.mlp.up_proj`, "x"]);
      tensors.push(
        tensor(rng, at(module, "token_adapter.trainable_tokens_delta"), rng.pick([[2, 8], [3, 8], [2], [2, 9]])),
      );
    },
  ],
  [
    "magnitudes",
    ({ tensors, config }, rng) => {
      config["use_dora"] = rng.int(4) > 0;
      for (const { name, shape } of [...tensors])
        if (name.endsWith("lora_B.weight") && rng.int(6) > 0) {
          const module = name.slice(0, -"lora_B.weight".length);
          const made = tensor(rng, `${module}${rng.pick(["lora_magnitude_vector", "lora_magnitude_vector.weight"])}`, [
            shape[0] ?? 1,
          ]);
          tensors.push(rng.int(8) === 0 ? { ...made, bytes: new Uint8Array(made.bytes.length) } : made);
        }
    },
  ],
  [
    "biases",
    ({ tensors, config }, rng) => {
      config[rng.pick(["bias", "lora_bias"])] = rng.pick(["all", "lora_only", true]);
      for (const i of [0, 1])
        for (const map of ["q", "k", "v"])
          tensors.push(
            tensor(
              rng,
              at(`model.layers.${i}.self_attn.${map}_proj`, rng.pick(["bias", "base_layer.bias", "lora_B.bias"])),
              [map === "q" ? 8 : 4],
            ),
          );
    },
  ],
  [
    "10,000 tensors",
    ({ tensors }, rng) => {
      for (let i = 0; i < 10_000; i++)
        tensors.push(tensor(rng, at(`model.layers.${i}.self_attn.q_proj`, "lora_A.weight"), [1, 1]));
    },
  ],
  [
    "metadata that is none",
    (adapter, rng) => {
      adapter.head = `"__metadata__":${rng.pick(["null", "[]", '{"a":1}', '{"\\u001b[2J":"\\u0007"}', `{"a":"${"x".repeat(50_000)}"}`])},`;
    },
  ],
];

function write(adapter: Adapter): void {
  writeRawSafetensors(join(folder, peftFiles.weights), adapter.tensors, adapter.tensors.length > 0 ? adapter.head : "");
  writeFileSync(join(folder, peftFiles.config), JSON.stringify(adapter.config));
}

/** One to three changes that belong together as little as they like. */
function hostile(rng: Rng, i: number) {
  const { config, weights } = models[i % models.length]!;
  const base = peftBaseOf({ config, weights });
  const adapter = sound(base.shapes, rng);
  const names: string[] = [];
  for (let j = 1 + rng.int(3); j > 0; j--) {
    const [name, apply] = rng.pick(rng.int(2) === 0 ? configChanges : tensorChanges);
    apply(adapter, rng);
    names.push(name);
  }
  write(adapter);
  return { name: names.sort().join(" and "), base };
}

test("400 hostile adapters are applied soundly or refused, within 5 s and 512 MB", async () => {
  const outcomes = await readHostile("hostile adapters", 400, (rng, i) => {
    const { name, base } = hostile(rng, i);
    return {
      name,
      async read() {
        const { adapter, whole, untiesHead } = await readPeftChange(folder, base);
        const head = untiesHead ? ([["lm_head.weight", [20, 8]]] as const) : [];
        const shapes = new Map<string, readonly number[]>([...base.shapes, ...head]);
        for (const [weight, { rank, inputs, outputs, a, b }] of adapter) {
          expect([outputs, inputs]).toEqual(shapes.get(weight));
          expect([a.length, b.length]).toEqual([rank * inputs, rank * outputs]);
          expect(a.every(Number.isFinite) && b.every(Number.isFinite)).toBe(true);
        }
        for (const [weight, values] of whole) {
          expect(values).toHaveLength(shapes.get(weight)!.reduce((x, y) => x * y, 1));
          expect(values.every(Number.isFinite)).toBe(true);
        }
        expect(adapter.size + whole.size).toBeGreaterThan(0);
      },
    };
  });
  expect(outcomes["read"]).toBeGreaterThan(20);
  for (const code of ["E_CONFIG", "E_FORMAT", "E_MISMATCH"]) expect(outcomes[code], code).toBeGreaterThan(20);
  expect(outcomes["E_NAN"]).toBeGreaterThan(0);
});

test("`loragen merge` and `loragen inspect` of 40 of them print nothing that commands a terminal, and no internal error", async () => {
  const { config, weights } = models[0]!;
  const base = join(folder, "base");
  const names = [...parameterShapes(config).keys()];
  await saveModel(base, config, new Map(names.map((name) => [name, (weights[name] as { data: Float32Array }).data])));
  await readHostile("hostile adapters at the command line", 40, (rng, i) => {
    const { name } = hostile(rng, 3 * i);
    return {
      name,
      async read() {
        const out = join(folder, `merged-${i}`);
        for (const args of [
          ["merge", "--adapter", folder, "--base", base, "--out", out],
          ["inspect", folder],
        ]) {
          const { stdout, stderr, status } = await loragenHere(args);
          // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
          expect(stdout + stderr, `${name}: ${args[0]}`).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/);
          if (status !== 0) expect(stderr, name).toMatch(/^error E_[A-Z]+: /m);
          expect(stderr).not.toMatch(/internal/);
        }
      },
    };
  });
});
