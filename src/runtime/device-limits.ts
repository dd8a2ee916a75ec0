/** @file What a device would compute wrongly without saying so. */
import { AppError } from "../base/errors.ts";
import { topological } from "../graph/tree.ts";
import { type Graph, isOp } from "../graph/types.ts";
import type { Device } from "./session.ts";

/** Throws E_RUNTIME where a device leaves out a part of an operator: attention on WebGPU has no soft cap (onnxruntime 1.30). */
export function requireExact(graph: Graph, device: Device): void {
  if (device !== "webgpu") return;
  for (const node of topological(Object.values(graph.outputs)))
    if (isOp(node, "cachedAttention") && node.params.cap > 0)
      throw new AppError(
        "E_RUNTIME",
        "webgpu: attention with a soft cap (Gemma 2) is not computed there; expected another device, such as cpu or wasm",
      );
}
