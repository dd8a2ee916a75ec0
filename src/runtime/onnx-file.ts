/** @file ONNX files made before, by whomever: opened and run in Node. */
import * as ort from "onnxruntime-node";
import { fromOrt, ortTypes, refused } from "./ort-values.ts";
import type { Feeds } from "./session.ts";
import type { Tensor } from "./tensor.ts";

export type OnnxFile = AsyncDisposable & {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Feeds): Promise<Record<string, Tensor>>;
};

/** Opens a model; its external data lies beside it. Throws E_RUNTIME where ONNX Runtime refuses it. */
export async function openOnnxFile(path: string, { threads = 0 } = {}): Promise<OnnxFile> {
  const session = await refused(path, () =>
    ort.InferenceSession.create(path, { intraOpNumThreads: threads, interOpNumThreads: 1, logSeverityLevel: 3 }),
  );
  return {
    inputNames: session.inputNames,
    outputNames: session.outputNames,
    async run(feeds) {
      const fed = Object.entries(feeds).map(([name, { dtype, shape, data }]) => [
        name,
        new ort.Tensor(ortTypes[dtype], data as Float32Array, shape),
      ]);
      const results = await refused("run", () => session.run(Object.fromEntries(fed)));
      return Object.fromEntries(Object.entries(results).map(([name, value]) => [name, fromOrt(value)]));
    },
    [Symbol.asyncDispose]: () => session.release(),
  };
}
