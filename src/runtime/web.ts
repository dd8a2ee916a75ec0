/** @file Sessions in the browser: ONNX Runtime on WebGPU and WebAssembly, frozen weights from memory. */
import type * as Ort from "onnxruntime-web";
import { AppError } from "../base/errors.ts";
import { simplify } from "../graph/simplify.ts";
import { leavesOf } from "../graph/tree.ts";
import type { Graph, Node } from "../graph/types.ts";
import { lower, type WeightPlacement } from "../onnx/lower.ts";
import { requireExact } from "./device-limits.ts";
import { checkedFeed, checkedSource, fromOrt, inlineLimitBytes, ortTypes, refused } from "./ort-values.ts";
import {
  type CompileOptions,
  type Device,
  type Feeds,
  requireThreads,
  type Session,
  type WeightSource,
} from "./session.ts";
import type { Tensor } from "./tensor.ts";

/** Each device has a build of ONNX Runtime of its own, loaded when it is first used. */
const builds: { readonly [D in Device]?: () => Promise<typeof Ort> } = {
  wasm: () => import("onnxruntime-web/wasm"),
  webgpu: () => import("onnxruntime-web/webgpu"),
};
const providers: { readonly [D in Device]?: readonly string[] } = { wasm: ["wasm"], webgpu: ["webgpu", "wasm"] };

/** What this needs of a page or a worker; all of it may be missing. */
const scope = globalThis as {
  readonly crossOriginIsolated?: boolean;
  readonly navigator?: {
    readonly hardwareConcurrency?: number;
    readonly gpu?: { requestAdapter(): Promise<object | null> };
  };
};

/**
 * Compiles a graph into a session. Threads need a page that is cross-origin isolated; elsewhere there is one, whatever was asked for.
 * @throws E_NOT_FOUND where a weight has no source, E_SHAPE where a source does not fit, E_USAGE where threads are no whole number from 0 to 256,
 *   E_RUNTIME where ONNX Runtime refuses
 */
export async function compile(graph: Graph, options: CompileOptions = {}): Promise<Session> {
  const { weights = {}, device = "wasm", threads = 0 } = options;
  const load = builds[device];
  if (load === undefined)
    throw new AppError("E_RUNTIME", `device ${device} runs in Node; expected wasm or webgpu in a browser`);
  requireThreads(threads);
  requireExact(graph, device);
  const { place, buffers } = placeWeights(weights);
  const model = lower(simplify(graph), place);
  const ort = await refused("load", load);
  ort.env.wasm.numThreads =
    scope.crossOriginIsolated === true ? threads || (scope.navigator?.hardwareConcurrency ?? 1) : 1;
  const session = await refused("compile", () =>
    ort.InferenceSession.create(model, {
      executionProviders: [...providers[device]!],
      graphOptimizationLevel: "basic",
      logSeverityLevel: 3,
      ...(buffers.length === 0 ? {} : { externalData: buffers }),
      ...(device === "webgpu" ? { preferredOutputLocation: "gpu-buffer" } : {}),
    }),
  );
  return wrap(
    ort,
    session,
    graph,
    device === "webgpu" ? ((await ort.env.webgpu.device) as unknown as GpuDevice) : undefined,
  );
}

/** "webgpu" where the browser has an adapter for it, "wasm" elsewhere. */
export async function bestDevice(): Promise<"webgpu" | "wasm"> {
  const adapter = await scope.navigator?.gpu?.requestAdapter().catch(() => null);
  return adapter == null ? "wasm" : "webgpu";
}

/** Weights are copied into ONNX Runtime's memory as the session is made. */
function placeWeights(sources: Readonly<Record<string, WeightSource>>) {
  const buffers: { path: string; data: Uint8Array }[] = [];
  function place(name: string, node: Node<"weight">): WeightPlacement {
    const source = checkedSource(name, node, sources[name]);
    if (source.kind !== "data")
      throw new AppError(
        "E_RUNTIME",
        `weight "${name}": a browser has no file ${source.path}; expected values in memory`,
      );
    const bytes = new Uint8Array(source.data.buffer, source.data.byteOffset, source.data.byteLength);
    if (bytes.byteLength < inlineLimitBytes) return { bytes };
    const path = `buffer-${buffers.length}`;
    buffers.push({ path, data: bytes });
    return { location: path, offset: 0, length: bytes.byteLength };
  }
  return { place, buffers };
}

function wrap(ort: typeof Ort, session: Ort.InferenceSession, graph: Graph, gpu: GpuDevice | undefined): Session {
  let open = true;
  const names = Object.keys(graph.outputs);
  const inputs = leavesOf(graph, "input");
  const states = gpu === undefined ? undefined : createStates(ort, gpu);
  const toOrt = ({ dtype, shape, data }: Tensor): Ort.Tensor =>
    new ort.Tensor(ortTypes[dtype], data as Float32Array, shape);

  async function run(feeds: Feeds, into: Feeds = {}): Promise<Record<string, Tensor>> {
    if (!open) throw new Error("internal: the session was closed");
    const written = new Set(states === undefined ? [] : Object.values(into).map(({ data }) => data));
    const fed: Record<string, Ort.Tensor> = {};
    for (const [name, node] of inputs) {
      const value = checkedFeed(name, node, feeds[name]);
      fed[name] = written.has(value.data) ? states!.of(value) : toOrt(value);
    }
    const fetches = Object.fromEntries(names.map((name) => [name, states?.find(into[name]) ?? null]));
    const results = await refused("run", () => session.run(fed, fetches as Ort.InferenceSession.FetchesType));
    const values: Record<string, Tensor> = {};
    for (const name of names) {
      const given = into[name];
      values[name] = given !== undefined && fetches[name] !== null ? given : await received(results[name]!, given);
    }
    return values;
  }
  async function close(): Promise<void> {
    if (!open) return;
    open = false;
    states?.free();
    await session.release();
  }
  return { run, close, [Symbol.asyncDispose]: close, outputNames: names, keepsState: states !== undefined };
}

/** A result out of ONNX Runtime's memory, into the caller's where some was given. */
async function received(value: Ort.Tensor, given: Tensor | undefined): Promise<Tensor> {
  const { type, dims } = value;
  const data = await refused("run", () => value.getData(true));
  const result = fromOrt({ type, dims, data });
  if (given === undefined) return result;
  (given.data as Float32Array).set(result.data as Float32Array);
  return given;
}

/** The part of WebGPU that is used here. */
type GpuDevice = {
  createBuffer(options: { size: number; usage: number }): GpuBuffer;
  readonly queue: { writeBuffer(buffer: GpuBuffer, offset: number, data: Uint8Array): void };
};
type GpuBuffer = { destroy(): void };
/** GPUBufferUsage: STORAGE, COPY_DST and COPY_SRC. */
const stateUsage = 0x80 | 0x08 | 0x04;

/** Memory that a run both reads and writes has a buffer on the device, filled once and never read back. */
function createStates(ort: typeof Ort, gpu: GpuDevice) {
  const kept = new Map<Tensor["data"], { readonly tensor: Ort.Tensor; readonly buffer: GpuBuffer }>();
  function of({ dtype, shape, data }: Tensor): Ort.Tensor {
    const known = kept.get(data);
    if (known !== undefined) return known.tensor;
    const buffer = gpu.createBuffer({ size: Math.ceil(data.byteLength / 16) * 16, usage: stateUsage });
    gpu.queue.writeBuffer(buffer, 0, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    const tensor = ort.Tensor.fromGpuBuffer(buffer as never, { dataType: ortTypes[dtype] as "float32", dims: shape });
    kept.set(data, { tensor, buffer });
    return tensor;
  }
  return {
    of,
    find: (value: Tensor | undefined): Ort.Tensor | undefined =>
      value === undefined ? undefined : kept.get(value.data)?.tensor,
    free(): void {
      for (const { buffer } of kept.values()) buffer.destroy();
      kept.clear();
    },
  };
}

/** The fp32 values of a weight, as they are: do not write to them. */
export async function readWeight(source: WeightSource): Promise<Float32Array> {
  if (source.kind === "data" && source.data instanceof Float32Array) return source.data;
  throw new Error("internal: expected fp32 values in memory");
}
