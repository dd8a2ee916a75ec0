/** @file The table of architectures. */

import type { ModelType } from "../config.ts";
import type { Architecture } from "./architecture.ts";
import { gemma } from "./gemma.ts";
import { gemma2 } from "./gemma2.ts";
import { gemma3 } from "./gemma3.ts";
import { granite } from "./granite.ts";
import { lfm2 } from "./lfm2.ts";
import { llama } from "./llama.ts";
import { mistral } from "./mistral.ts";
import { opt } from "./opt.ts";
import { phi3 } from "./phi3.ts";
import { qwen2 } from "./qwen2.ts";
import { qwen3 } from "./qwen3.ts";
import { smollm3 } from "./smollm3.ts";

export const architectures: { readonly [T in ModelType]: Architecture } = {
  llama,
  mistral,
  qwen2,
  qwen3,
  gemma,
  gemma2,
  gemma3_text: gemma3,
  granite,
  smollm3,
  phi3,
  lfm2,
  opt,
};
