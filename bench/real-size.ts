/**
 * @file `real-size`: models of published shapes with random weights, at full size: loading, memory, decoding beside llama.cpp, a training
 * step beside PyTorch, and specialising by an 8 B cloud model. A row is written as soon as it is measured; what has a row is not repeated.
 */
import { join } from "node:path";
import { AppError } from "../src/base/errors.ts";
import { type Context, measurements, removeWeights } from "./real-size/measurements.ts";
import { availableBytes } from "./real-size/memory.ts";
import { putRow, type Row, readRows } from "./real-size/rows.ts";
import { type RealModelName, realModel, realModelNames } from "./real-size/shapes.ts";
import { markdownTables } from "./real-size/table.ts";
import type { BenchOptions } from "./support/bench.ts";
import { describeMachine, projectRoot } from "./support/machine.ts";

export type RealSizeOptions = BenchOptions & {
  /** None: all of them. */
  readonly models: readonly string[];
  /** None: all that a model has. */
  readonly measurements: readonly string[];
  /** Keeps generated weights on the disk. */
  readonly keep: boolean;
};

const results = join(projectRoot, "bench/results/real-size.json");
const folder = join(projectRoot, "work/real-size");

const fileOf = ({ quick }: Pick<BenchOptions, "quick">) => (quick ? join(folder, "quick.json") : results);

/** The tables of what was measured so far. */
export const realSizeTable = async (options: Pick<BenchOptions, "quick">): Promise<string> =>
  markdownTables(await readRows(fileOf(options)));

/** Whether a measurement still has to be made: it has no row, or one without the peer that was asked for. */
function isMissing(rows: readonly Row[], model: string, measurement: string, peerValue: string | undefined): boolean {
  const row = rows.find((other) => other.model === model && other.measurement === measurement);
  return row === undefined || (peerValue !== undefined && row.values[peerValue] === undefined);
}

/** Makes all measurements that have no row yet. What does not fit into the memory that is free is left out, and named at the end. */
export async function realSize(options: RealSizeOptions): Promise<void> {
  const { log } = options;
  for (const name of options.models)
    if (!realModelNames.includes(name as RealModelName))
      throw new AppError("E_USAGE", `--model: expected one of ${realModelNames.join(", ")}, found ${name}`);
  const known = new Set(Object.values(measurements).flatMap((all) => all.map(({ name }) => name)));
  for (const name of options.measurements)
    if (!known.has(name))
      throw new AppError("E_USAGE", `--measurement: expected one of ${[...known].join(", ")}, found ${name}`);
  const names = options.models.length === 0 ? realModelNames : (options.models as RealModelName[]);
  const context: Context = {
    folder: options.quick ? join(folder, "quick") : folder,
    options,
    available: availableBytes,
    keep: options.keep,
  };
  const file = fileOf(options);
  const leftOut: string[] = [];
  for (const name of names) {
    const model = realModel(name, options);
    for (const { name: measurement, only, needs, run, peerValue, needsPeer, isOptional = false } of measurements[
      model.role
    ]) {
      if (only?.includes(name) === false) continue;
      if (options.measurements.length > 0 && !options.measurements.includes(measurement)) continue;
      if (needsPeer && options.peer === "none") {
        log(`left out: ${name}, ${measurement}: measured beside its peer only (--peer)`);
        continue;
      }
      const wanted = options.peer === "none" ? undefined : peerValue?.(name);
      if (!isMissing(await readRows(file), name, measurement, wanted)) continue;
      const [needed, available] = [needs(model), availableBytes()];
      const what = `${name}, ${measurement}`;
      if (needed > available) {
        const why = `${what}: needs about ${gigabytes(needed)}, ${gigabytes(available)} are free`;
        if (isOptional) log(`left out: ${why}`);
        else leftOut.push(why);
        continue;
      }
      log(`${what} …`);
      const machine = describeMachine();
      try {
        const measured = await run(context, model);
        const { threads, repetitions, warmUp } = options;
        const about = { threads, repetitions, warmUp, ...measured.about };
        await putRow(file, { model: name, measurement, ...measured, about, machine });
        log(`${what}: ${JSON.stringify(measured.values)}`);
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        leftOut.push(`${what}: ${error.message}`);
      }
    }
    if (options.keep) continue;
    const used = model.role === "cloud" ? realModelNames : [name]; // every edge model is measured with the cloud model
    for (const each of used) await removeWeights(context, realModel(each, options));
  }
  if (leftOut.length > 0) throw new AppError("E_RUNTIME", `not measured:\n  ${leftOut.join("\n  ")}`);
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
