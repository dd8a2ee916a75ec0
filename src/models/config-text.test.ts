import { expect, test } from "vitest";
import { configText } from "./config-text.ts";

test("fractions keep their point, whole numbers and texts stay as they are, and the values are the same", () => {
  const json = {
    hidden_size: 32,
    final_logit_softcapping: 30,
    attn_logit_softcapping: null,
    rms_norm_eps: 1e-6,
    rope_theta: 10000,
    rope_scaling: { factor: 8, low_freq_factor: 1.5, original_max_position_embeddings: 8192, high_freq_factor: 4 },
    name: 'a text with "factor": 8\n  "factor": 8',
  };
  const text = configText(json);
  expect(JSON.parse(text)).toEqual(json);
  expect(text.split("\n")).toEqual(
    expect.arrayContaining([
      '  "hidden_size": 32,',
      '  "final_logit_softcapping": 30.0,',
      '  "rope_theta": 10000.0,',
      '    "factor": 8.0,',
      '    "original_max_position_embeddings": 8192,',
      '    "high_freq_factor": 4.0',
    ]),
  );
});
