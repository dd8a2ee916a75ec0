/** @file The weights of a generator's run, also while it is going on: what is worth keeping should the machine be lost. */
import { AppError } from "../base/errors.ts";
import { readJsonFile } from "../base/json-file.ts";
import { latestCheckpoint, loadCheckpoint } from "../files/checkpoint.ts";
import { generatorFrozen } from "../generator/parameters.ts";
import type { ResolveModel } from "../hub/resolve.ts";
import { openModel } from "../models/model-file.ts";
import type { LooseGenerator } from "../pair/generator-file.ts";
import { frozenFactors } from "./frozen-factors.ts";
import { TrainConfig } from "./recipes/table.ts";
import { runFolder } from "./run-folder.ts";
import { stepNames } from "./step.ts";

const kept = [stepNames.parameter(""), stepNames.buffer("")];

/**
 * The weights of the lowest validation loss, or of another checkpoint of the run, and the step they are of. A generator over singular
 * values comes with those of its edge model.
 * @throws E_USAGE for a run of another kind, E_NOT_FOUND where nothing was validated yet
 */
export async function readRunGenerator(
  run: string,
  resolveModel: ResolveModel,
  checkpoint?: string,
): Promise<LooseGenerator & { readonly step: number }> {
  const config = await readJsonFile(runFolder(run).config, TrainConfig);
  if (config.kind !== "generator")
    throw new AppError("E_USAGE", `${run}: expected the run of a generator, found that of a ${config.kind}`);
  const path = checkpoint ?? (await latestCheckpoint(runFolder(run).best));
  if (path === undefined)
    throw new AppError("E_NOT_FOUND", `${run}: expected weights that were validated, found none yet`);
  const { tensors, step } = await loadCheckpoint(path);
  const open = async (model: string) => openModel(await resolveModel(model));
  const [cloud, edge] = [await open(config.cloud), await open(config.edge)];
  const { generator } = config;
  const trained = Object.entries(tensors).flatMap(([name, { shape, data }]) => {
    const prefix = kept.find((start) => name.startsWith(start));
    return prefix === undefined ? [] : [{ name: name.slice(prefix.length), shape, data }];
  });
  const shapes = generatorFrozen({ generator, edge: edge.config });
  const frozen = [...(await frozenFactors(generator, edge))].map(([name, data]) => ({
    name,
    shape: shapes.get(name)!.shape,
    data,
  }));
  return {
    config: generator,
    tensors: [...trained, ...frozen],
    trainedOver: { cloud: cloud.sha256, edge: edge.sha256 },
    step,
  };
}
