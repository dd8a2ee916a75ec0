/** @file 200 hostile quantised directories, most with the hash of their weights made right again: opened soundly and decoded with, or refused. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { type HostileTensor, hostileNames, readHostile, writeRawSafetensors } from "../../test/support/hostile.ts";
import { randomLlama } from "../../test/support/random-llama.ts";
import { AppError } from "../base/errors.ts";
import { joinSha256, sha256 } from "../base/hash.ts";
import type { Rng } from "../base/rng.ts";
import { openSafetensors, readTensorBytes } from "../files/safetensors.ts";
import { openModel, saveModel } from "../models/model-file.ts";
import { parameterShapes } from "../models/parameters.ts";
import { quantizeDirectory } from "../models/quantized/directory-file.ts";
import { quantizations, storedWeights } from "../models/quantized/layout.ts";
import { verifyQuantizedDirectory } from "../models/quantized/verify-directory.ts";
import { createDecoder } from "./decoder.ts";

const folder = mkdtempSync(join(tmpdir(), "hostile-"));
const at = (...names: readonly string[]) => join(folder, ...names);
afterAll(() => rmSync(folder, { recursive: true }));

type Directory = {
  config: Record<string, unknown>;
  /** `quantization_config` */
  how: Record<string, unknown>;
  tensors: HostileTensor[];
  /** Whether `weights_sha256` is made right again. */
  isRehashed: boolean;
  /** Instead of one file of weights. */
  files?: (directory: string, rng: Rng) => void;
};
type Change = readonly [name: string, apply: (directory: Directory, rng: Rng) => void];

const set = (part: "config" | "how", key: string, ...values: readonly unknown[]): Change => [
  `${key} = …`,
  (directory, rng) => {
    directory[part][key] = rng.pick(values);
  },
];

const changed = (
  tensors: HostileTensor[],
  rng: Rng,
  pattern: RegExp,
  change: (old: HostileTensor) => Partial<HostileTensor>,
) => {
  const found = tensors.flatMap(({ name }, i) => (pattern.test(name) ? [i] : []));
  if (found.length === 0) return;
  const i = rng.pick(found);
  tensors[i] = { ...tensors[i]!, ...change(tensors[i]!) };
};

const numbers = [0, -1, 1, 3, 4, 8, 16, 32, 48, 64, 128, 2 ** 31, 1e300, 0.5, null, "8", [8], {}, true];

function floatsAt(bytes: Uint8Array, rng: Rng, value: number): Uint8Array {
  const values = new Float32Array(bytes.slice().buffer);
  if (values.length > 0) values[rng.int(values.length)] = value;
  return new Uint8Array(values.buffer);
}

const changes: readonly Change[] = [
  ...["bits", "block_size", "table_block_size", "version", "symmetric"].map((key) => set("how", key, ...numbers)),
  set("how", "quant_method", "gptq", "\u001b[31mgptq\u0007", null, 7, "lora-gen"),
  ...["base_sha256", "weights_sha256"].map((key) =>
    set("how", key, "", "0".repeat(64), "G".repeat(64), "\u001b[2J", null, 7),
  ),
  set("how", "__proto__", { bits: 4 }, 1),
  ["an unknown key", ({ how }, rng) => void Object.assign(how, { [rng.pick(hostileNames)]: rng.pick([1, null, {}]) })],
  ["no quantization_config", ({ config }) => void delete config["quantization_config"]],
  ...[
    "hidden_size",
    "num_hidden_layers",
    "vocab_size",
    "num_attention_heads",
    "num_key_value_heads",
    "intermediate_size",
    "head_dim",
    "max_position_embeddings",
  ].map((key) => set("config", key, ...numbers, 2 ** 24)),
  set("config", "rms_norm_eps", 0, -1, 1e308, 1e-30, null),
  set("config", "tie_word_embeddings", true, false, null, 3),
  set("config", "lora_gen_merge", {}, { base_sha256: "x" }, "\u001b[2J", null),
  [
    "codes of noise",
    ({ tensors }, rng) => changed(tensors, rng, /packed$/, ({ bytes }) => ({ bytes: bytes.map(() => rng.int(256)) })),
  ],
  ...[NaN, Infinity, -Infinity, 3e38, -3e38].map(
    (value): Change => [
      `a scale of ${value}`,
      ({ tensors }, rng) => changed(tensors, rng, /scales$/, ({ bytes }) => ({ bytes: floatsAt(bytes, rng, value) })),
    ],
  ),
  ...[NaN, Infinity].map(
    (value): Change => [
      `a norm of ${value}`,
      ({ tensors }, rng) =>
        changed(tensors, rng, /norm\.weight$/, ({ bytes }) => ({ bytes: floatsAt(bytes, rng, value) })),
    ],
  ),
  ...[NaN, Infinity].map(
    (value): Change => [
      `a head's scale of ${value}`,
      ({ tensors }, rng) =>
        changed(tensors, rng, /^lm_head.*scales$/, ({ bytes }) => ({ bytes: floatsAt(bytes, rng, value) })),
    ],
  ),
  ["a tensor less", ({ tensors }, rng) => void tensors.splice(rng.int(tensors.length), 1)],
  ["a tensor twice", ({ tensors }, rng) => void tensors.push(rng.pick(tensors))],
  [
    "a tensor more",
    ({ tensors }, rng) =>
      void tensors.push({ name: rng.pick(hostileNames), dtype: "F32", shape: [1], bytes: new Uint8Array(4) }),
  ],
  ["another name", ({ tensors }, rng) => changed(tensors, rng, /./, () => ({ name: rng.pick(hostileNames) }))],
  [
    "a shape turned",
    ({ tensors }, rng) => changed(tensors, rng, /./, ({ shape }) => ({ shape: [...shape].reverse() })),
  ],
  [
    "a shape of another size",
    ({ tensors }, rng) =>
      changed(tensors, rng, /./, () => ({
        shape: rng.pick([[], [0], [2 ** 31, 2 ** 31], [-1], [1, 1, 1, 1, 1, 1, 1, 1]]),
      })),
  ],
  [
    "another type",
    ({ tensors }, rng) =>
      changed(tensors, rng, /./, () => ({
        dtype: rng.pick(["I8", "BOOL", "F16", "F32", "U8", "I32", "F8_E4M3", "\u001b"]),
      })),
  ],
  [
    "offsets elsewhere",
    ({ tensors }, rng) =>
      changed(tensors, rng, /./, ({ bytes }) => ({
        offsets: rng.pick([
          [0, bytes.length],
          [4, 4 + bytes.length],
          [2 ** 52, 2 ** 52 + 8],
          [3, 1],
        ]),
      })),
  ],
  [
    "a dense weight beside its codes",
    ({ tensors }) =>
      void tensors.push({ name: "lm_head.weight", dtype: "F32", shape: [20, 8], bytes: new Uint8Array(640) }),
  ],
  [
    "a file cut off",
    (directory) => {
      directory.files = (path) => {
        const weights = join(path, "model.safetensors");
        writeFileSync(weights, readFileSync(weights).subarray(0, -9));
      };
    },
  ],
  [
    "an index that leads elsewhere",
    (directory) => {
      directory.files = (path, rng) => {
        const target = rng.pick([
          "../secret.safetensors",
          "/etc/passwd",
          "model.safetensors",
          "\u0000",
          "",
          "a/b.safetensors",
          "\u001b[2J.safetensors",
          "missing.safetensors",
        ]);
        const names = directory.tensors.map(({ name }) => [name, rng.int(3) === 0 ? target : "model.safetensors"]);
        const index = rng.pick<unknown>([
          { weight_map: Object.fromEntries(names) },
          { weight_map: [] },
          {},
          [],
          7,
          { weight_map: { x: 1 } },
        ]);
        writeFileSync(join(path, "model.safetensors.index.json"), JSON.stringify(index));
        if (rng.int(2) === 0) rmSync(join(path, "model.safetensors"));
      };
    },
  ],
  [
    "a link to itself, or a folder",
    (directory) => {
      directory.files = (path, rng) => {
        const weights = join(path, "model.safetensors");
        rmSync(weights);
        if (rng.int(2) === 0) symlinkSync("model.safetensors", weights);
        else mkdirSync(weights);
      };
    },
  ],
];

test("200 hostile quantised directories open soundly or are refused, within 5 s and 512 MB", async () => {
  const { config: shape, weights } = randomLlama({ hidden: 8, ffn: 12, headDim: 2, vocab: 20 });
  const names = [...parameterShapes(shape).keys()];
  await saveModel(
    at("dense"),
    shape,
    new Map(names.map((name) => [name, (weights[name] as { data: Float32Array }).data])),
  );
  const kinds = ["int4", "int8-asymmetric"] as const;
  const originals: { readonly config: string; readonly tensors: readonly HostileTensor[] }[] = [];
  for (const kind of kinds) {
    await quantizeDirectory(at("dense"), at(kind), quantizations[kind]);
    const file = await openSafetensors(at(kind, "model.safetensors"));
    const tensors: HostileTensor[] = [];
    for (const { name, dtype, shape: dims } of file.tensors.values())
      tensors.push({ name, dtype, shape: dims, bytes: await readTensorBytes(file, name) });
    originals.push({ config: readFileSync(at(kind, "config.json"), "utf8"), tensors });
  }
  let [decoded, verified] = [0, 0];
  const outcomes = await readHostile("hostile quantised directories", 200, (rng, i) => {
    const original = originals[i % 2]!;
    const config = JSON.parse(original.config) as Record<string, unknown>;
    const directory: Directory = {
      config,
      how: config["quantization_config"] as Record<string, unknown>,
      tensors: [...original.tensors],
      isRehashed: rng.int(8) > 0,
    };
    const applied: string[] = [];
    for (let j = 1 + rng.int(2); j > 0; j--) {
      const [name, apply] = rng.pick(changes);
      apply(directory, rng);
      applied.push(name);
    }
    const path = at(`case-${i}`);
    mkdirSync(path);
    writeRawSafetensors(join(path, "model.safetensors"), directory.tensors);
    if (directory.isRehashed && !applied.includes("weights_sha256 = …"))
      directory.how["weights_sha256"] = joinSha256([sha256(readFileSync(join(path, "model.safetensors")))]);
    directory.files?.(path, rng);
    writeFileSync(join(path, "config.json"), JSON.stringify(config));
    return {
      name: applied.sort().join(" and "),
      async read() {
        try {
          const model = await openModel(path);
          const { quantization } = model;
          if (quantization === undefined) return;
          for (const { tensors } of storedWeights(model.config, quantization))
            for (const { name, shape: dims, dtype } of tensors) {
              const source = model.weights[name]!;
              if (source.kind !== "file") throw new Error(`${name} is not mapped`);
              expect(source.bytes).toBe(dims.reduce((a, b) => a * b, 1) * (dtype === "u8" ? 1 : 4));
              expect(source.offset + source.bytes).toBeLessThanOrEqual(statSync(source.path).size);
            }
          const isVerified = await verifyQuantizedDirectory(path, at("dense")).then(
            () => true,
            (error: unknown) => {
              if (error instanceof AppError) return false;
              throw error;
            },
          );
          if (isVerified) verified++;
          await using decoder = await createDecoder(model, { threads: 1 });
          decoded++;
          const { ids } = await decoder.generate([1, 7, 4], { maxTokens: 4, stopIds: [] });
          expect(ids.every((id) => id >= 0 && id < model.config.vocab)).toBe(true);
        } finally {
          rmSync(path, { recursive: true });
        }
      },
    };
  });
  expect(readdirSync(folder).filter((name) => name.startsWith("case-"))).toEqual([]);
  expect(outcomes["read"]).toBeGreaterThan(10);
  expect(decoded).toBeGreaterThan(outcomes["read"]! / 2);
  expect(verified).toBeLessThan(decoded);
  for (const code of ["E_FORMAT", "E_SHAPE", "E_MISMATCH", "E_NAN"]) expect(outcomes[code], code).toBeGreaterThan(2);
});
