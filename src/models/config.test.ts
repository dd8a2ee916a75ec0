import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { randomLlama } from "../../test/support/random-llama.ts";
import { plainLlama } from "./config.ts";
import { readModelConfig } from "./config-file.ts";
import { toConfigJson } from "./config-json.ts";
import { parameterShapes } from "./parameters.ts";

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

const fixtures = resolve(import.meta.dirname, "../../test/fixtures/models");

test.each(readdirSync(fixtures))(
  "%s: what transformers writes is read, and read back from what we write",
  async (name) => {
    const config = await readModelConfig(join(fixtures, name));
    expect(config.layers).toBeGreaterThan(1);
    expect(await read(toConfigJson(config))).toEqual(config);
  },
);

test.each(["rope_type", "type"])("rotary scaling in both of its places, named by %s", async (key) => {
  const linear = { [key]: "linear", factor: 4 };
  const llama3 = {
    [key]: "llama3",
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  };
  const expected = [
    [linear, { type: "linear", factor: 4 }],
    [llama3, { type: "llama3", factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192 }],
    [{ [key]: "default" }, undefined],
  ] as const;
  for (const [scaling, ropeScaling] of expected) {
    const ropeTheta = 500000;
    expect(await read({ ...least, rope_theta: ropeTheta, rope_scaling: scaling })).toMatchObject({
      ropeTheta,
      ropeScaling,
    });
    const inOne = { ...scaling, rope_theta: ropeTheta };
    expect(await read({ ...least, rope_parameters: inOne })).toMatchObject({ ropeTheta, ropeScaling });
  }
});

const mistral = { ...least, model_type: "mistral", num_key_value_heads: 2 };
const qwen2 = { ...least, model_type: "qwen2" };
const gemma2 = { ...least, model_type: "gemma2", num_key_value_heads: 2, head_dim: 16 };
const { intermediate_size: _, ...rest } = least;
const opt = { ...rest, model_type: "opt", ffn_dim: 96 };

test("windows: Mistral in all layers or none, Qwen2 where switched on, Gemma 2 in every other layer, or as layer_types say", async () => {
  const types = ["full_attention", "sliding_attention"];
  const cases: [object, readonly number[]][] = [
    [mistral, [4096, 4096]],
    [{ ...mistral, sliding_window: 100 }, [100, 100]],
    [{ ...mistral, sliding_window: null }, []],
    [{ ...qwen2, sliding_window: 100, max_window_layers: 1 }, []],
    [{ ...qwen2, sliding_window: 100, max_window_layers: 1, use_sliding_window: true }, [0, 100]],
    [gemma2, [4096, 0]],
    [{ ...gemma2, sliding_window: 100, layer_types: types }, [0, 100]],
    [{ ...gemma2, sliding_window: null, layer_types: ["full_attention", "full_attention"] }, []],
  ];
  for (const [json, windows] of cases) {
    const config = await read(json);
    expect(config.windows, JSON.stringify(json)).toEqual(windows);
    expect(await read(toConfigJson(config))).toEqual(config);
  }
});

test.each([
  ["llama", { ...least, rope_theta: 500000, head_dim: 32, attention_bias: true, eos_token_id: [2, 7] }],
  ["mistral", mistral],
  ["mistral, mixed windows", { ...mistral, sliding_window: 9, layer_types: ["full_attention", "sliding_attention"] }],
  ["mistral, full layers", { ...mistral, sliding_window: 9, layer_types: ["full_attention", "full_attention"] }],
  [
    "qwen2, mixed windows",
    {
      ...qwen2,
      use_sliding_window: true,
      sliding_window: 9,
      layer_types: ["sliding_attention", "full_attention"],
    },
  ],
  ["gemma", { ...least, model_type: "gemma", num_key_value_heads: 1, head_dim: 16, hidden_act: "gelu" }],
  ["gemma2, mixed windows", { ...gemma2, sliding_window: 9, layer_types: ["full_attention", "sliding_attention"] }],
  ["opt", opt],
])("%s: written and read again, a config is the same", async (_, json) => {
  const config = await read(json);
  expect(await read(toConfigJson(config))).toEqual(config);
});

/** What their `config.json` says on the hub, as far as it decides the shape. */
const published: Record<string, { readonly json: object; readonly parameters: number }> = {
  "TinyLlama 1.1B": {
    json: { ...llamaOf(2048, 5632, 22, 32, 4, 32000), rope_scaling: null, pretraining_tp: 1, rms_norm_eps: 1e-5 },
    parameters: 1_100_048_384,
  },
  "LLaMA 7B": { json: llamaOf(4096, 11008, 32, 32, 32, 32000), parameters: 6_738_415_616 },
  "Llama 3 8B": {
    json: { ...llamaOf(4096, 14336, 32, 32, 8, 128256), rope_theta: 500000, eos_token_id: [128001, 128009] },
    parameters: 8_030_261_248,
  },
  "Mistral 7B": {
    json: { ...llamaOf(4096, 14336, 32, 32, 8, 32000), model_type: "mistral", sliding_window: 4096 },
    parameters: 7_241_732_096,
  },
  "Qwen2 1.5B": {
    json: {
      ...llamaOf(1536, 8960, 28, 12, 2, 151936),
      model_type: "qwen2",
      use_sliding_window: false,
      sliding_window: 131072,
      max_window_layers: 28,
      tie_word_embeddings: true,
    },
    parameters: 1_543_714_304,
  },
  "Gemma 2B": {
    json: {
      ...llamaOf(2048, 16384, 18, 8, 1, 256000),
      model_type: "gemma",
      head_dim: 256,
      hidden_act: "gelu",
      hidden_activation: null,
      max_position_embeddings: 8192,
    },
    parameters: 2_506_172_416,
  },
  "Gemma 2 2B": {
    json: {
      ...llamaOf(2304, 9216, 26, 8, 4, 256000),
      model_type: "gemma2",
      head_dim: 256,
      hidden_act: "gelu_pytorch_tanh",
      hidden_activation: "gelu_pytorch_tanh",
      sliding_window: 4096,
      query_pre_attn_scalar: 256,
    },
    parameters: 2_614_341_888,
  },
  "OPT 2.7B": {
    json: {
      model_type: "opt",
      hidden_size: 2560,
      ffn_dim: 10240,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      vocab_size: 50272,
      word_embed_proj_dim: 2560,
      max_position_embeddings: 2048,
      do_layer_norm_before: true,
      _remove_final_layer_norm: false,
      activation_function: "relu",
    },
    parameters: 2_651_596_800,
  },
};

function llamaOf(hidden: number, ffn: number, layers: number, heads: number, kvHeads: number, vocab: number): object {
  return {
    model_type: "llama",
    hidden_size: hidden,
    intermediate_size: ffn,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    vocab_size: vocab,
  };
}

test.each(Object.entries(published))("%s has as many parameters as were published", async (_, { json, parameters }) => {
  const shapes = [...parameterShapes(await read(json)).values()];
  expect(shapes.reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0)).toBe(parameters);
});

test("biases: of Qwen2's q, k and v, of all OPT's maps, of a Llama's where it says so", async () => {
  expect((await read(least)).biased).toEqual([]);
  expect((await read({ ...least, attention_bias: true })).biased).toEqual(["q", "k", "v", "o"]);
  expect((await read({ ...least, mlp_bias: true })).biased).toEqual(["gate", "up", "down"]);
  expect((await read(qwen2)).biased).toEqual(["q", "k", "v"]);
  expect((await read(opt)).biased).toEqual(["q", "k", "v", "o", "up", "down"]);
});

test("Gemma 2: what old files leave out", async () => {
  expect(await read({ ...gemma2, hidden_act: "gelu" })).toMatchObject({
    attentionCap: 50,
    logitCap: 30,
    queryScalar: 256,
    tied: true,
  });
});

const granite = { ...least, model_type: "granite" };
const smollm3 = { ...least, model_type: "smollm3" };
const phi3 = { ...least, model_type: "phi3" };
const gemma3 = { ...gemma2, model_type: "gemma3_text", num_hidden_layers: 7 };

test("Gemma 3: what old files leave out; rotary bases in the old and in the new spelling", async () => {
  const old = await read({ ...gemma3, rope_theta: 5e5, rope_local_base_freq: 2e4, sliding_window_pattern: 3 });
  expect(old).toMatchObject({ ropeTheta: 5e5, windowRotary: { theta: 2e4 }, attentionCap: 0, logitCap: 0, tied: true });
  expect(old.windows).toEqual([4096, 4096, 0, 4096, 4096, 0, 4096]);
  const kinds = { full_attention: { rope_theta: 5e5 }, sliding_attention: { rope_type: "default", rope_theta: 2e4 } };
  expect(await read({ ...gemma3, rope_parameters: kinds, sliding_window_pattern: 3 })).toEqual(old);
  const usual = await read({ ...gemma3, rope_scaling: { rope_type: "linear", factor: 8 } });
  expect(usual).toMatchObject({ ropeTheta: 1e6, ropeScaling: { factor: 8 }, windowRotary: { theta: 1e4 } });
  expect(usual.windowRotary?.scaling).toBeUndefined();
});

test("Phi 3: longrope in the old and in the new spelling; heads turned in part", async () => {
  const factors = { short_factor: [1, 1, 1, 1.1, 1.1, 1.2], long_factor: [2, 2, 4, 4, 8, 8] };
  const old = await read({
    ...phi3,
    max_position_embeddings: 131072,
    original_max_position_embeddings: 4096,
    partial_rotary_factor: 0.75,
    rope_scaling: { type: "longrope", ...factors },
  });
  const magnitude = Math.sqrt(1 + Math.log(32) / Math.log(4096));
  expect(old).toMatchObject({ turned: 12, ropeScaling: { type: "longrope", originalContext: 4096, magnitude } });
  const parameters = { rope_type: "longrope", ...factors, partial_rotary_factor: 0.75 };
  const renamed = { max_position_embeddings: 131072, original_max_position_embeddings: 4096 };
  expect(await read({ ...phi3, ...renamed, rope_parameters: parameters })).toEqual(old);
});

test("a text model within another is read, with what its wrapper says about both", async () => {
  const wrapped = {
    model_type: "many_senses",
    text_config: gemma3,
    eos_token_id: [1, 106],
    tie_word_embeddings: false,
  };
  expect(await read(wrapped)).toEqual(await read({ ...gemma3, eos_token_id: [1, 106], tie_word_embeddings: false }));
});

test.each([
  [
    "another architecture",
    { ...least, model_type: "mamba" },
    "E_ARCHITECTURE",
    /"mamba" is not supported; expected one of: llama, mistral, qwen2, qwen3, gemma, gemma2, gemma3_text, granite, smollm3, phi3, lfm2, opt$/,
  ],
  ["a name of Object's own", { ...least, model_type: "toString" }, "E_ARCHITECTURE", /"toString" is not supported/],
  ["heads of odd size", { ...least, num_attention_heads: 64 }, "E_CONFIG", /even whole number, found 1/],
  ["heads that do not divide", { ...least, num_key_value_heads: 3 }, "E_CONFIG", /4 heads do not divide among 3/],
  [
    "another rotary scaling",
    { ...least, rope_scaling: { type: "longrope", factor: 4 } },
    "E_ARCHITECTURE",
    /rotary scaling "longrope" is not supported; expected one of: default, linear, llama3, yarn, dynamic/,
  ],
  [
    "yarn whose bounds cross",
    { ...least, rope_scaling: { type: "yarn", factor: 4, beta_fast: 1, beta_slow: 2 } },
    "E_CONFIG",
    /beta_slow 2 should be below beta_fast 1/,
  ],
  [
    "yarn over one frequency",
    { ...least, rope_theta: 1, rope_scaling: { type: "yarn", factor: 4 } },
    "E_CONFIG",
    /rope_theta above 1, found 1/,
  ],
  ["Granite with a negative multiplier", { ...granite, residual_multiplier: -1 }, "E_FORMAT", /residual_multiplier/],
  ["Granite with a multiplier of null", { ...granite, logits_scaling: null }, "E_FORMAT", /logits_scaling/],
  [
    "SmolLM3 that says too little",
    { ...smollm3, no_rope_layers: [1] },
    "E_CONFIG",
    /no_rope_layers: expected 2, found 1/,
  ],
  ["SmolLM3 turned by half", { ...smollm3, no_rope_layers: [1, 0.5] }, "E_FORMAT", /no_rope_layers/],
  [
    "Phi 3 that turns an odd number",
    { ...phi3, partial_rotary_factor: 0.35 },
    "E_CONFIG",
    /turn an even number of a head's 16, found 5/,
  ],
  [
    "Phi 3 with too few factors",
    { ...phi3, rope_scaling: { type: "su", short_factor: Array(8).fill(1), long_factor: [2] } },
    "E_CONFIG",
    /long_factor: expected 8 numbers, found 1/,
  ],
  [
    "Phi 3 with a factor of zero",
    { ...phi3, rope_scaling: { type: "longrope", short_factor: [1, 1, 0, 1], long_factor: [2, 2, 2, 2] } },
    "E_FORMAT",
    /short_factor/,
  ],
  [
    "Gemma 3 without a window",
    { ...gemma3, sliding_window: null },
    "E_CONFIG",
    /sliding_window is null, and no layer_types/,
  ],
  [
    "Gemma 3 whose windows are stretched in an unknown way",
    { ...gemma3, rope_parameters: { sliding_attention: { rope_type: "wide" } } },
    "E_ARCHITECTURE",
    /rotary scaling "wide"/,
  ],
  [
    "a wrapper around an unknown text model",
    { model_type: "many_senses", text_config: { ...least, model_type: "mamba" } },
    "E_ARCHITECTURE",
    /text_config: model_type "mamba" of a "many_senses" is not supported/,
  ],
  ["a wrapper around nothing", { model_type: "many_senses", text_config: {} }, "E_FORMAT", /text_config/],
  [
    "rotary parameters by kind of layer",
    { ...least, rope_parameters: { full_attention: { rope_type: "default" } } },
    "E_ARCHITECTURE",
    /rotary scaling "undefined"/,
  ],
  ["linear scaling without a factor", { ...least, rope_scaling: { type: "linear" } }, "E_FORMAT", /factor/],
  [
    "Llama 3 scaling whose bounds cross",
    { ...least, rope_scaling: { type: "llama3", factor: 8, low_freq_factor: 4, high_freq_factor: 4 } },
    "E_CONFIG",
    /low_freq_factor 4 should be below high_freq_factor 4/,
  ],
  [
    "a part of each head turned",
    { ...least, partial_rotary_factor: 0.5 },
    "E_ARCHITECTURE",
    /partial_rotary_factor 0.5/,
  ],
  ["an epsilon that is infinite in fp32", { ...least, rms_norm_eps: 1e308 }, "E_FORMAT", /rms_norm_eps: .*<=1/],
  ["an epsilon that is zero in fp32", { ...least, rms_norm_eps: 1e-60 }, "E_FORMAT", /rms_norm_eps: .*>=1e-30/],
  ["another activation", { ...least, hidden_act: "gelu" }, "E_FORMAT", /hidden_act/],
  [
    "another kind of layer",
    { ...gemma2, layer_types: ["chunked_attention", "full_attention"] },
    "E_ARCHITECTURE",
    /chunked/,
  ],
  ["too few layer types", { ...gemma2, layer_types: ["full_attention"] }, "E_CONFIG", /expected 2, found 1/],
  ["Gemma 2 that looks ahead", { ...gemma2, use_bidirectional_attention: true }, "E_ARCHITECTURE", /bidirectional/],
  [
    "OPT with projected embeddings",
    { ...opt, word_embed_proj_dim: 32 },
    "E_ARCHITECTURE",
    /word_embed_proj_dim 32 .* expected 64/,
  ],
  [
    "OPT with norms behind its blocks",
    { ...opt, do_layer_norm_before: false },
    "E_ARCHITECTURE",
    /do_layer_norm_before/,
  ],
  [
    "OPT whose heads do not divide",
    { ...opt, num_attention_heads: 5 },
    "E_CONFIG",
    /5 heads do not divide a width of 64/,
  ],
] as const)("%s is refused", async (_, json, code, message) => {
  await expect(read(json)).rejects.toMatchObject({ code, message: expect.stringMatching(message) as unknown });
});

const lfm2 = { ...least, model_type: "lfm2", num_key_value_heads: 2 };

test("LFM 2 as it is published: layers by index, two thirds of a width rounded up, a base of 1e6", async () => {
  const published = {
    ...lfm2,
    intermediate_size: undefined,
    block_ff_dim: 1000,
    block_multiple_of: 256,
    full_attn_idxs: [1],
    tie_embedding: true,
  };
  const found = {
    ffn: 768,
    convolution: { width: 3, layers: [true, false] },
    tied: true,
    ropeTheta: 1e6,
    epsilon: 1e-5,
  };
  expect(await read(published)).toMatchObject(found);
  expect(await read(lfm2)).toMatchObject({ convolution: { layers: [false, false] } });
});

test.each([
  ["another kind of layer", { layer_types: ["conv", "mamba"] }, "E_ARCHITECTURE", /expected conv or full_attention/],
  ["too few layer types", { layer_types: ["conv"] }, "E_CONFIG", /layer_types: expected 2, found 1/],
  ["a layer that is not there", { full_attn_idxs: [0, 2] }, "E_CONFIG", /expected layers below 2, found 2/],
  ["biases", { conv_bias: true }, "E_ARCHITECTURE", /conv_bias true/],
  ["convolutions of one token", { conv_L_cache: 1 }, "E_FORMAT", /conv_L_cache/],
  ["no feed-forward width", { intermediate_size: undefined }, "E_FORMAT", /expected intermediate_size/],
  ["a width of 0", { intermediate_size: 1 }, "E_CONFIG", /feed-forward width .* found 0 from 1/],
] as const)("LFM 2 with %s is refused", async (_, changes, code, message) => {
  await expect(read({ ...lfm2, ...changes })).rejects.toMatchObject({
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
