/** @file What is trained beside a frozen model, by answers or by rewards: a skill of Transformer², LoRA, DoRA or IA³. */
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { createRng } from "../base/rng.ts";
import { ExpertTargets } from "../generator/config.ts";
import { initialValues, type ParameterInfo } from "../generator/parameters.ts";
import { writeIa3 } from "../lora/ia3-format.ts";
import { writePeft } from "../lora/peft-format.ts";
import { fusedWeights } from "../models/checkpoint.ts";
import type { Model } from "../models/model.ts";
import type { WeightSource } from "../runtime/session.ts";
import { floatTensor } from "../runtime/tensor.ts";
import { expertFileName } from "../svf/expert-file.ts";
import type { Adaptation } from "./adapted-step.ts";
import { type RunConfig, Svf } from "./config.ts";
import { doraAdaptation, doraSources, magnitudeName, rowSquares, trainedMagnitudes } from "./dora-step.ts";
import { type Ia3Shape, ia3Adaptation, trainedIa3 } from "./ia3-step.ts";
import type { Opening } from "./job.ts";
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

const Dora = Lora.extend({ kind: z.literal("dora") });

const Ia3 = z.strictObject({
  kind: z.literal("ia3"),
  /** As in the paper: keys and values, and what the feed-forward block's last map reads. */
  targets: ExpertTargets.unwrap().default(["k", "v", "down"]),
});

export const Adapter = z.discriminatedUnion("kind", [Svf.extend({ kind: z.literal("svf") }), Lora, Dora, Ia3]);
type AnyAdapter = z.infer<typeof Adapter>;

type LearnerConfig = Pick<RunConfig, "seed" | "steps" | "output"> & {
  readonly kind: string;
  readonly adapter: AnyAdapter;
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

type Open<K extends AnyAdapter["kind"]> = (
  adapter: Extract<AnyAdapter, { kind: K }>,
  config: LearnerConfig,
  edge: Model,
  baseName: string,
  opening: Opening | undefined,
) => Promise<Learner>;

const learners: { readonly [K in AnyAdapter["kind"]]: Open<K> } = {
  async svf({ kind: _, ...svf }, config, edge, __, opening) {
    const { shape, warnings } = await openSvf(edge, svf, opening);
    return {
      adaptation: svfAdaptation(shape),
      weights: svfSources(shape),
      start: () => startSvf(shape, config.seed),
      save: (state) => saveSvf(join(config.output, expertFileName), edge, shape, state, { ...config, svf }),
      warnings,
    };
  },
  async lora(adapter, { seed, output }, edge, baseName) {
    const shape: LoraShape = { edge: edge.config, ...adapter };
    return {
      adaptation: loraAdaptation(shape),
      weights: {},
      start: () => startOf(loraParameters(shape), seed),
      save: (state) =>
        writePeft(join(output, "adapter"), trainedAdapter(shape, parametersOf(state)), {
          baseName,
          fused: fusedWeights(edge.config),
        }),
      warnings: [],
    };
  },
  async dora(adapter, { seed, output }, edge, baseName) {
    requireOwnMaps(edge, adapter.kind);
    const shape: LoraShape = { edge: edge.config, ...adapter };
    const { parameters, ...adaptation } = doraAdaptation(shape);
    const squares = await rowSquares(shape, edge);
    requireLengths(squares, edge.directory);
    const lengths = [...squares].map(([map, values]) => {
      const name = stepNames.parameter(magnitudeName(map));
      return [name, floatTensor([values.length], values.map(Math.sqrt))] as const;
    });
    return {
      adaptation: { ...adaptation, parameters },
      weights: doraSources(squares),
      start: () => ({ ...startOf(parameters, seed), ...Object.fromEntries(lengths) }),
      save: (state) =>
        writePeft(join(output, "adapter"), trainedAdapter(shape, parametersOf(state)), {
          baseName,
          magnitudes: trainedMagnitudes(shape, parametersOf(state)),
        }),
      warnings: [],
    };
  },
  async ia3(adapter, { seed, output }, edge, baseName) {
    requireOwnMaps(edge, adapter.kind);
    const shape: Ia3Shape = { edge: edge.config, ...adapter };
    const adaptation = ia3Adaptation(shape);
    return {
      adaptation,
      weights: {},
      start: () => startOf(adaptation.parameters, seed),
      save: (state) => writeIa3(join(output, "adapter"), trainedIa3(shape, parametersOf(state)), { baseName }),
      warnings: [],
    };
  },
};

export const openLearner = (
  config: LearnerConfig,
  edge: Model,
  baseName: string,
  opening?: Opening,
): Promise<Learner> =>
  (learners[config.adapter.kind] as Open<AnyAdapter["kind"]>)(config.adapter as never, config, edge, baseName, opening);

function startOf(infos: ReadonlyMap<string, ParameterInfo>, seed: number): TrainingState {
  const values = initialValues(infos, createRng(seed).split("initial lora"));
  return Object.fromEntries(
    [...infos].map(([name, info]) => [stepNames.parameter(name), floatTensor(info.shape, values.get(name)!)]),
  );
}

/** DoRA divides by the length of each row. Throws E_CONFIG for a row without one. */
function requireLengths(squares: ReadonlyMap<string, Float32Array>, directory: string): void {
  for (const [map, values] of squares) {
    const row = values.indexOf(0);
    if (row >= 0)
      throw new AppError(
        "E_CONFIG",
        `${directory}: ${map}: row ${row} is zero, and DoRA divides by its length; train a LoRA`,
      );
  }
}

/** Throws E_CONFIG where a file of the model has one tensor for several maps: PEFT would have one adapter for them together. */
function requireOwnMaps({ config, directory }: Model, kind: string): void {
  const [joined] = fusedWeights(config).keys();
  if (joined !== undefined)
    throw new AppError(
      "E_CONFIG",
      `${directory}: ${joined} holds several maps in one, for which ${kind} is not trained; train a LoRA`,
    );
}
