/** @file A thread that decomposes one weight after the other. */
import { parentPort } from "node:worker_threads";
import type { AppError } from "../base/errors.ts";
import { decompose, type Svd } from "./svd.ts";

export type DecomposeTask = { readonly weight: Float32Array; readonly outputs: number; readonly inputs: number };
export type DecomposeAnswer =
  | { readonly svd: Svd }
  | { readonly failed: { readonly code?: AppError["code"]; readonly message: string } };

parentPort?.on("message", ({ weight, outputs, inputs }: DecomposeTask) => {
  try {
    const svd = decompose(weight, outputs, inputs);
    const answer: DecomposeAnswer = { svd };
    parentPort!.postMessage(answer, [svd.u.buffer, svd.s.buffer, svd.v.buffer] as ArrayBuffer[]);
  } catch (error) {
    const { code, message } = error as Partial<AppError> & Error;
    const answer: DecomposeAnswer = { failed: code === undefined ? { message } : { code, message } };
    parentPort!.postMessage(answer);
  }
});
