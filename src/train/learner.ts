/** @file What a run by rewards trains: a skill of Transformer², or a LoRA. */
import { join } from "node:path";
import { z } from "zod";
import { createRng } from "../base/rng.ts";
import { ExpertTargets } from "../generator/config.ts";
import { initialValues } from "../generator/parameters.ts";
import { writePeft } from "../lora/peft-format.ts";
import type { Model } from "../models/model.ts";
import type { WeightSource } from "../runtime/session.ts";
import { floatTensor } from "../runtime/tensor.ts";
import { expertFileName } from "../svf/expert-file.ts";
import type { Adaptation } from "./adapted-step.ts";
import { type RunConfig, Svf } from "./config.ts";
import { type LoraShape, loraAdaptation, loraParameters, trainedAdapter } from "./lora-step.ts";
import { parametersOf, type TrainingState } from "./state.ts";
import { stepNames } from "./step.ts";
import { openSvf, saveSvf, startSvf } from "./svf-model.ts";
import { svfAdaptation, svfSources } from "./svf-step.ts";

const Lora = z.strictObject({
  kind: z.literal("lora"),
  rank: z.int().min(1).max(1024).default(16),
  alpha: z.number().positive().default(16),
  targets: ExpertTargets,
});

export const Adapter = z.discriminatedUnion("kind", [Svf.extend({ kind: z.literal("svf") }), Lora]);

type LearnerConfig = Pick<RunConfig, "seed" | "steps" | "output"> & {
  readonly kind: string;
  readonly adapter: z.infer<typeof Adapter>;
};

/** What is trained, from its start to its file. */
export type Learner = {
  readonly adaptation: Adaptation;
  /** Frozen values that it reads. */
  readonly weights: Readonly<Record<string, WeightSource>>;
  readonly start: () => TrainingState;
  readonly save: (state: TrainingState) => Promise<void>;
  readonly warnings: readonly string[];
};

export async function openLearner(config: LearnerConfig, edge: Model, baseName: string): Promise<Learner> {
  const { adapter, seed, output } = config;
  if (adapter.kind === "svf") {
    const { kind: _, ...svf } = adapter;
    const { shape, warnings } = await openSvf(edge, svf);
    return {
      adaptation: svfAdaptation(shape),
      weights: svfSources(shape),
      start: () => startSvf(shape, seed),
      save: (state) => saveSvf(join(output, expertFileName), edge, shape, state, { ...config, svf }),
      warnings,
    };
  }
  const shape: LoraShape = { edge: edge.config, ...adapter };
  const infos = loraParameters(shape);
  return {
    adaptation: loraAdaptation(shape),
    weights: {},
    start: () => {
      const values = initialValues(infos, createRng(seed).split("initial lora"));
      return Object.fromEntries(
        [...infos].map(([name, info]) => [stepNames.parameter(name), floatTensor(info.shape, values.get(name)!)]),
      );
    },
    save: (state) => writePeft(join(output, "adapter"), trainedAdapter(shape, parametersOf(state)), { baseName }),
    warnings: [],
  };
}
