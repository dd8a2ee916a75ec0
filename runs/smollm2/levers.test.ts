import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { GeneratorRun } from "../../src/train/recipes/generator.ts";
import { TrainConfig } from "../../src/train/recipes/table.ts";
import { leverRun, levers } from "./levers.ts";

const read = (name: string) => GeneratorRun.parse(leverRun(name, { out: "out", steps: 100, batch: 16 }));
const trained = read("as-trained");

test.each(Object.entries(levers))(
  "the lever %s is a run that can be trained, and changes what it says alone",
  (name, changes) => {
    const { generator, cloud, ...run } = read(name);
    const { generator: before, cloud: cloudBefore, ...rest } = trained;
    expect(run).toEqual({ ...rest, output: `out/${name}` });
    expect(cloud === cloudBefore).toBe(name !== "knowledge-transfer");
    const differing = (Object.keys(generator) as (keyof typeof generator)[]).filter(
      (key) => JSON.stringify(generator[key]) !== JSON.stringify(before[key]),
    );
    // How the load is kept even follows the pool: by layer, or over all.
    const follows = changes.poolScope === undefined ? [] : ["auxForm"];
    expect(differing.sort()).toEqual([...Object.keys(changes), ...follows].sort());
  },
);

const configs = new URL("config/", import.meta.url);
test.each(readdirSync(configs))("config/%s is a run that can be trained, over the model of the pair", (name) => {
  const run = TrainConfig.parse(JSON.parse(readFileSync(new URL(name, configs), "utf8")));
  const model = "pairs/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
  const models = run.kind === "generator" ? { cloud: model, edge: model } : { edge: model };
  expect(run).toMatchObject({ ...models, output: `work/smollm2/${name.replace(".json", "")}` });
});
