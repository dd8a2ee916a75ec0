import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { randomLlama } from "../../test/support/random-llama.ts";
import { plainLlama, readModelConfig, toConfigJson } from "./config.ts";

const folder = mkdtempSync(join(tmpdir(), "model-config-"));
afterAll(() => rmSync(folder, { recursive: true }));

const least = {
  model_type: "llama",
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  vocab_size: 100,
};

const read = (json: object) => {
  writeFileSync(join(folder, "config.json"), JSON.stringify(json));
  return readModelConfig(folder);
};

test("what a file leaves out takes the defaults of transformers; what we do not know is ignored", async () => {
  expect(await read({ ...least, attention_dropout: 0, torch_dtype: "bfloat16" })).toEqual({
    ...plainLlama,
    hidden: 64,
    ffn: 96,
    layers: 2,
    heads: 4,
    kvHeads: 4,
    headDim: 16,
    vocab: 100,
    context: 2048,
    epsilon: 1e-6,
    ropeTheta: 10000,
    tied: false,
    bosId: undefined,
    eosIds: [],
  });
});

test("one end token or several; a head size of its own", async () => {
  expect(await read({ ...least, eos_token_id: 2 })).toMatchObject({ eosIds: [2] });
  expect(await read({ ...least, eos_token_id: [2, 7], head_dim: 32 })).toMatchObject({ eosIds: [2, 7], headDim: 32 });
});

test("a written config reads back the same", async () => {
  const { config } = randomLlama({ tied: true, eosIds: [2, 9], ropeTheta: 5e5 });
  expect(await read(toConfigJson(config))).toEqual(config);
});

test.each([
  [
    "another architecture",
    { model_type: "mamba" },
    "E_ARCHITECTURE",
    /"mamba" is not supported; expected one of: llama/,
  ],
  ["heads of odd size", { num_attention_heads: 64 }, "E_CONFIG", /even whole number, found 1/],
  ["heads that do not divide", { num_key_value_heads: 3 }, "E_CONFIG", /4 heads do not divide among 3/],
] as const)("%s is refused", async (_, changes, code, message) => {
  await expect(read({ ...least, ...changes })).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message) as unknown,
  });
});

test("a missing folder is E_NOT_FOUND, naming the file", async () => {
  const path = join(folder, "none");
  await expect(readModelConfig(path)).rejects.toMatchObject({
    code: "E_NOT_FOUND",
    message: expect.stringContaining(join(path, "config.json")) as unknown,
  });
});
