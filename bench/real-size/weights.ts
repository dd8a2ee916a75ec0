/** @file Random weights of a model's full size on disk, one tensor in memory at a time. */
import { access, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createRng } from "../../src/base/rng.ts";
import { dtypeBytes, elementCount } from "../../src/files/safetensors.ts";
import { planShards, shardName, writeShardIndex } from "../../src/files/safetensors-shards.ts";
import { type TensorToWrite, writeSafetensors } from "../../src/files/safetensors-write.ts";
import { architectures } from "../../src/models/architectures/index.ts";
import type { ModelConfig } from "../../src/models/config.ts";
import { writeConfigFile } from "../../src/models/config-file.ts";
import { toConfigJson } from "../../src/models/config-json.ts";
import { parameterShapes } from "../../src/models/parameters.ts";
import { requireRoom } from "../support/problem.ts";

type Dtype = "F32" | "BF16";
type Shape = readonly number[];
type Named = readonly [name: string, shape: Shape];

/** Whether a file, which is written last or under another name until it is whole, exists. */
export const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Of the weights that are not gains. Deep models of any width stay finite with it. */
const standardDeviation = 0.02;

/** Of the table that weights are taken from: a prime, so that a matrix that is longer repeats it at other places of its rows. */
const tableSize = 5_000_011;

/**
 * The values of a model's weights, one at a time: gains of 1 whatever the norm adds to them, else uniform, from a place of one table
 * that seed and name decide. Billions of draws would take longer than what is measured. The same for the same seed and name.
 */
export function randomWeights(config: ModelConfig, seed: string): (name: string, shape: Shape) => Float32Array {
  const table = createRng("weights").fillUniform(new Float32Array(tableSize), standardDeviation * Math.sqrt(3));
  const gain = architectures[config.modelType].norm === "rmsPlusOne" ? 0 : 1;
  const rng = createRng(seed);
  return (name, shape) => {
    const values = new Float32Array(elementCount(shape));
    if (/norm\.weight$/.test(name)) return values.fill(gain);
    let from = rng.split(name).int(tableSize);
    for (let at = 0; at < values.length; from = 0) {
      const part = table.subarray(from, from + values.length - at);
      values.set(part, at);
      at += part.length;
    }
    return values;
  };
}

export type WriteOptions = {
  readonly dtype?: Dtype;
  readonly shardBytes?: number;
  readonly log?: (line: string) => void;
};

/**
 * Writes a Hugging Face directory of random weights unless it is there already; `config.json` is written last and says that it is whole.
 * @throws E_IO where the disk has no room
 */
export async function writeRandomModel(
  directory: string,
  config: ModelConfig,
  seed: string,
  { dtype = "BF16", shardBytes = 2e9, log = () => undefined }: WriteOptions = {},
): Promise<void> {
  if (await isThere(join(directory, "config.json"))) return;
  const shapes = parameterShapes(config);
  const bytesOf = ([, shape]: Named) => elementCount(shape) * dtypeBytes[dtype];
  const bytes = [...shapes].reduce((sum, entry) => sum + bytesOf(entry), 0);
  await mkdir(directory, { recursive: true });
  await requireRoom(directory, bytes);
  const shards = planShards<Named>(shapes, bytesOf, shardBytes);
  const weight = randomWeights(config, seed);
  for (const [i, shard] of shards.entries()) {
    const path = join(directory, shardName(i, shards.length));
    log(`writing ${path}`);
    const tensors = shard.map(
      ([name, shape]): TensorToWrite => ({
        name,
        dtype,
        shape,
        data: () => weight(name, shape),
      }),
    );
    await writeSafetensors(path, tensors, { format: "pt" });
  }
  const names = shards.map((shard) => shard.map(([name]) => name));
  await writeShardIndex(directory, names, bytes);
  await writeConfigFile(directory, {
    ...toConfigJson(config),
    torch_dtype: dtype === "BF16" ? "bfloat16" : "float32",
  });
}
