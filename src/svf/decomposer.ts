/** @file Decompositions on several threads. */
import { Worker } from "node:worker_threads";
import { AppError } from "../base/errors.ts";
import type { DecomposeAnswer, DecomposeTask } from "./decompose-worker.ts";
import { decompose, type Svd } from "./svd.ts";

/** Owns threads: close it. */
export type Decomposer = AsyncDisposable & {
  /** How many weights are decomposed at a time. */
  readonly threads: number;
  /** Takes the weight's memory over. Throws E_NAN for numbers that are not finite. */
  decompose(weight: Float32Array, outputs: number, inputs: number): Promise<Svd>;
};

/** A thread is made from a compiled file. Where this runs from its source, as in tests, the work is done in place. */
const workerFile = import.meta.url.endsWith(".js") ? new URL("./decompose-worker.js", import.meta.url) : undefined;

export function createDecomposer(threads: number): Decomposer {
  if (workerFile === undefined || threads <= 1)
    return {
      threads: 1,
      decompose: async (weight, outputs, inputs) => decompose(weight, outputs, inputs),
      [Symbol.asyncDispose]: async () => undefined,
    };
  const all = Array.from({ length: threads }, () => new Worker(workerFile));
  const idle = [...all];
  return {
    threads,
    async decompose(weight, outputs, inputs) {
      const worker = idle.pop();
      if (worker === undefined) throw new Error("internal: every thread is busy");
      try {
        return await ask(worker, { weight, outputs, inputs });
      } finally {
        idle.push(worker);
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map((worker) => worker.terminate()));
    },
  };
}

function ask(worker: Worker, task: DecomposeTask): Promise<Svd> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void) => {
      worker.off("message", onMessage).off("error", onError).off("exit", onExit);
      then();
    };
    const onMessage = (answer: DecomposeAnswer) =>
      settle(() => ("svd" in answer ? resolve(answer.svd) : reject(toError(answer.failed))));
    const onError = (error: unknown) => settle(() => reject(error));
    const onExit = () => settle(() => reject(new AppError("E_RUNTIME", "decomposition: a thread ended on its own")));
    worker.on("message", onMessage).on("error", onError).on("exit", onExit);
    worker.postMessage(task, [task.weight.buffer as ArrayBuffer]);
  });
}

const toError = ({ code, message }: { readonly code?: AppError["code"]; readonly message: string }): Error =>
  code === undefined ? new Error(message) : new AppError(code, message);
