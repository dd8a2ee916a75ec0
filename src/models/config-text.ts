/** @file The text of a `config.json`: fractions keep their point, which JSON does not ask for but transformers does. */

/** Keys that transformers reads as fractions: it refuses 30 where it expects 30.0. */
const fractions = [
  "rms_norm_eps",
  "initializer_range",
  "init_std",
  "attn_logit_softcapping",
  "final_logit_softcapping",
  "rope_theta",
  "factor",
  "low_freq_factor",
  "high_freq_factor",
  "beta_fast",
  "beta_slow",
  "attention_factor",
  "rope_local_base_freq",
];
const wholeFraction = new RegExp(`^(\\s*"(?:${fractions.join("|")})": -?\\d+)(,?)$`, "gm");

/** Indented JSON, one key a line. */
export const configText = (json: Readonly<Record<string, unknown>>): string =>
  `${JSON.stringify(json, null, 2).replace(wholeFraction, "$1.0$2")}\n`;
