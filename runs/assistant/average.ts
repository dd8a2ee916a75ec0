/**
 * @file The mean of several trained generators of one pair, weight by weight: `tsx runs/assistant/average.ts OUT DIR…`. Runs that branched
 * off one another lie close enough together for their mean to answer as they do, often better (Wortsman et al., 2022).
 */
import { join } from "node:path";
import { readModelConfig } from "../../src/models/config.ts";
import { readGenerator, readGeneratorConfig, writeGenerator } from "../../src/pair/generator-file.ts";

const pair = "pairs/assistant";
const [out, first, ...others] = process.argv.slice(2);
if (out === undefined || first === undefined || others.length === 0) {
  console.error("expected: average.ts OUT DIR DIR…, found fewer folders");
  process.exitCode = 1;
} else await average(out, [first, ...others]);

async function average(to: string, directories: readonly [string, ...string[]]): Promise<void> {
  const shape = {
    cloud: await readModelConfig(join(pair, "cloud")),
    edge: await readModelConfig(join(pair, "edge")),
    generator: await readGeneratorConfig(directories[0]),
  };
  const mean = new Map<string, Float32Array>();
  const generators = await Promise.all(directories.map((directory) => readGenerator(directory, shape)));
  for (const { tensors } of generators)
    for (const [name, values] of tensors) {
      const sum = mean.get(name) ?? new Float32Array(values.length);
      values.forEach((value, i) => {
        sum[i] = sum[i]! + value / directories.length;
      });
      mean.set(name, sum);
    }
  await writeGenerator(to, shape, mean, mean, { trainedOver: generators[0]?.trainedOver });
}
