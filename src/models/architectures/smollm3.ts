/** @file SmolLM3: Llama that does not turn heads by position in every fourth layer. */
import { z } from "zod";
import { AppError } from "../../base/errors.ts";
import { checkSchema } from "../../base/json.ts";
import { resolveRotary, resolveWindows, sharedKeys, windowJson, windowKeys } from "../config-keys.ts";
import { type Architecture, llamaLike } from "./architecture.ts";
import { biasedMaps, llamaJson, llamaKeys } from "./llama.ts";

const SmolLm3File = z.object({
  ...llamaKeys,
  ...sharedKeys({ context: 32768, tied: true }),
  ...windowKeys,
  use_sliding_window: z.boolean().default(false),
  /** By layer: 1 where heads are turned. The name says the opposite. */
  no_rope_layers: z.array(z.union([z.literal(0), z.literal(1)])).nullish(),
  no_rope_layer_interval: z.int().min(1).default(4),
});

export const smollm3: Architecture = {
  ...llamaLike,
  className: "SmolLM3ForCausalLM",
  parseConfig(where, json) {
    const file = checkSchema(json, SmolLm3File, { what: where });
    const { num_hidden_layers: layers, no_rope_layer_interval: interval, no_rope_layers: turned } = file;
    if (turned != null && turned.length < layers)
      throw new AppError("E_CONFIG", `${where}: no_rope_layers: expected ${layers}, found ${turned.length}`);
    const isUnturned = (i: number) => (turned == null ? (i + 1) % interval === 0 : turned[i] === 0);
    return {
      ...resolveRotary("smollm3", where, file, { kvHeads: 4, theta: 2e6 }),
      unturned: Array.from({ length: layers }, (_, i) => isUnturned(i)),
      windows: file.use_sliding_window ? resolveWindows(where, file, layers, isUnturned) : [],
      biased: biasedMaps(file),
    };
  },
  configJson: (config) => ({
    pad_token_id: null, // a default of transformers would lie beyond a small vocabulary
    ...llamaJson(config),
    ...windowJson(config),
    use_sliding_window: config.windows.length > 0,
    no_rope_layers: Array.from({ length: config.layers }, (_, i) => (config.unturned?.[i] ? 0 : 1)),
  }),
};
