/** @file A process that writes random weights as a GGUF file for llama.cpp: `gguf-worker.ts JSON`; what it held is gone with it. */
import { bfloat16ToFloat32, float32ToBfloat16 } from "../../src/base/half.ts";
import { ggufTokenizer } from "../../src/export/gguf-tokenizer.ts";
import { writeGgufModel } from "../../src/models/gguf/save.ts";
import { parameterShapes } from "../../src/models/parameters.ts";
import { serve } from "../support/worker.ts";
import type { PeerType, Stored } from "./decodings.ts";
import { goFirst } from "./memory.ts";
import { benchTokenizer } from "./pair.ts";
import { type RealModelName, realModel } from "./shapes.ts";
import { randomWeights } from "./weights.ts";

export type GgufTask = {
  readonly path: string;
  readonly model: RealModelName;
  readonly quick: boolean;
  readonly type: PeerType;
  /** How ours are held: what is not fp32 was made from bf16. */
  readonly stored: Stored;
};

goFirst();
const { path, model, quick, type, stored } = JSON.parse(process.argv[2]!) as GgufTask;
const { name, config } = realModel(model, { quick });
const about = await ggufTokenizer(benchTokenizer, config);
const shapes = parameterShapes(config);
const weight = randomWeights(config, name);
const read = async (tensor: string) => {
  const values = weight(tensor, shapes.get(tensor)!);
  return stored === "f32" ? values : bfloat16ToFloat32(float32ToBfloat16(values));
};
await writeGgufModel(path, config, read, { type, about });
await serve({}, {});
