/** @file Qwen 2 and 2.5: Llama with biases on q, k and v, and windows in its upper layers where they are switched on. */
import { z } from "zod";
import { checkSchema } from "../../base/json.ts";
import type { ModelConfig } from "../config.ts";
import {
  resolveRotary,
  resolveWindows,
  rotaryJson,
  rotaryKeys,
  sharedKeys,
  windowJson,
  windowKeys,
} from "../config-keys.ts";
import { type Architecture, llamaLike } from "./architecture.ts";

/** What both generations say the same way. */
export const qwenKeys = {
  ...sharedKeys({ context: 32768, tied: false }),
  ...rotaryKeys,
  ...windowKeys,
  use_sliding_window: z.boolean().default(false),
  max_window_layers: z.int().min(0).default(28),
  hidden_act: z.literal("silu").default("silu"),
};

const Qwen2File = z.object(qwenKeys);

/** Windows from layer `max_window_layers` on, where they are switched on. Throws as `resolveWindows`. */
export function qwenWindows(where: string, file: z.infer<typeof Qwen2File>): readonly number[] {
  const { num_hidden_layers: layers, max_window_layers: first } = file;
  return file.use_sliding_window ? resolveWindows(where, file, layers, (i) => i >= first) : [];
}

/** What `qwenKeys` reads, beyond what all architectures share. */
export function qwenJson(config: ModelConfig): Record<string, unknown> {
  const { windows, layers } = config;
  const first = windows.findIndex((window) => window > 0);
  return {
    ...rotaryJson(config),
    ...windowJson(config),
    use_sliding_window: first >= 0,
    max_window_layers: first < 0 ? layers : first,
    hidden_act: "silu",
  };
}

export const qwen2: Architecture = {
  ...llamaLike,
  className: "Qwen2ForCausalLM",
  parseConfig(where, json) {
    const file = checkSchema(json, Qwen2File, { what: where });
    return { ...resolveRotary("qwen2", where, file), windows: qwenWindows(where, file), biased: ["q", "k", "v"] };
  },
  configJson: qwenJson,
};
