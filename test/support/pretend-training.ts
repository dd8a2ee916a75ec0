/** @file Made-up trainings of skills, as the pages of Transformer² find them. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { kindOf, mapsOf, nameOf, stepsOf, type Training } from "../../runs/transformer2/trainings.ts";
import { createRng } from "../../src/base/rng.ts";
import { writeIa3 } from "../../src/lora/ia3-format.ts";
import { writePeft } from "../../src/lora/peft-format.ts";
import { svfMaps } from "../../src/models/decomposable.ts";
import type { Model } from "../../src/models/model.ts";
import { linearName, linearSize } from "../../src/models/parameters.ts";
import { writeExpert } from "../../src/svf/expert-file.ts";
import { randomAdapter } from "./random-adapter.ts";

const line = (step: number, reward: number) => ({ step, loss: 1, reward, solved: 0.5, kl: 0.01 * step, length: 2 });
const log = [
  { ...line(1, -0.5), learningRate: 0.1, tokensPerSecond: 10, memoryMb: 1 },
  { ...line(2, 0.5), learningRate: 0.1, tokensPerSecond: 10, memoryMb: 1 },
  ...[-0.25, 0.25].map((reward, i) => ({ step: i + 1, validation: line(i + 1, reward) })),
];

/** What a training leaves, made up: factors or an adapter of random values, and a log. */
export async function pretendTraining(runs: string, training: Training, { config, sha256 }: Model): Promise<void> {
  const name = nameOf(training);
  const run = join(runs, `${name}-${stepsOf(training, "minutes")}`);
  mkdirSync(run, { recursive: true });
  writeFileSync(join(run, "log.jsonl"), log.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
  const rng = createRng(name);
  const random = (length: number) => Float32Array.from({ length }, () => 3 * rng.next());
  const kind = kindOf(training.adapter);
  if (kind === "svf") {
    const most = Number(training.adapter.split("-")[1]) || Number.POSITIVE_INFINITY;
    const scales = new Map(
      svfMaps(config, mapsOf(training.adapter)).map(({ weight, inputs, outputs }) => [
        weight,
        random(Math.min(inputs, outputs, most)),
      ]),
    );
    await writeExpert(join(run, "expert.safetensors"), { modelSha256: sha256, scales, renormalize: false, madeBy: {} });
  } else if (kind === "ia3") {
    const weight = `${linearName(config, 0, "down")}.weight`;
    const values = random(linearSize(config, "down").inputs);
    await writeIa3(join(run, "adapter"), new Map([[weight, { side: "inputs", values }]]), { baseName: "base" });
  } else await writePeft(join(run, "adapter"), randomAdapter(config, { seed: name }), { baseName: "base" });
}
