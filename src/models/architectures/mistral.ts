/** @file Mistral: Llama whose layers see a window of positions, or all of them. */
import { z } from "zod";
import { checkSchema } from "../../base/json.ts";
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

const MistralFile = z.object({
  ...sharedKeys({ context: 131072, tied: false }),
  ...rotaryKeys,
  ...windowKeys,
  sliding_window: windowKeys.sliding_window.default(4096),
  hidden_act: z.literal("silu").default("silu"),
});

export const mistral: Architecture = {
  ...llamaLike,
  className: "MistralForCausalLM",
  parseConfig(where, json) {
    const file = checkSchema(json, MistralFile, { what: where });
    const windows = resolveWindows(where, file, file.num_hidden_layers, () => true);
    return { ...resolveRotary("mistral", where, file, { kvHeads: 8 }), windows, biased: [] };
  },
  configJson: (config) => ({
    ...rotaryJson(config),
    ...windowJson(config),
    hidden_act: "silu",
  }),
};
