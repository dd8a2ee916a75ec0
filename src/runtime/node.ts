/** @file Sessions in Node: ONNX Runtime on CPU, CUDA and WebGPU, frozen weights mapped from their files. */
import * as ort from "onnxruntime-node";
import { AppError } from "../base/errors.ts";
import { simplify } from "../graph/simplify.ts";
import { leavesOf } from "../graph/tree.ts";
import type { Graph } from "../graph/types.ts";
import { lower } from "../onnx/lower.ts";
import { requireExact } from "./device-limits.ts";
import { mapWeights } from "./map-weights.ts";
import { checkedFeed, fromOrt, ortTypes, refused } from "./ort-values.ts";
import { placeWeights } from "./place-weights.ts";
import { type CompileOptions, type Device, type Feeds, requireThreads, type Session } from "./session.ts";
import { disableTelemetry } from "./telemetry.ts";
import { type Tensor, zeros } from "./tensor.ts";
import { threadsByDefault } from "./threads.ts";

export { readWeight } from "./read-weight.ts";

const providers: Readonly<Record<Exclude<Device, "wasm">, ort.InferenceSession.ExecutionProviderConfig[]>> = {
  cpu: ["cpu"],
  webgpu: ["webgpu", "cpu"],
  cuda: ["cuda", "cpu"],
};

/**
 * Compiles a graph into a session.
 * @throws E_NOT_FOUND where a weight has no source, E_SHAPE where a source does not fit, E_USAGE where threads are no whole number from 0 to 256,
 *   E_RUNTIME where ONNX Runtime refuses; E_IO, E_FORMAT where a file of weights cannot be read or was changed since it was opened
 */
export async function compile(graph: Graph, options: CompileOptions = {}): Promise<Session> {
  const { weights = {}, device = "cpu", prepack = true, arena = true, spin = true, profile } = options;
  const { threads = 0 } = options;
  if (device === "wasm")
    throw new AppError("E_RUNTIME", "device wasm runs in a browser; expected cpu, webgpu or cuda here");
  requireThreads(threads);
  requireExact(graph, device);
  disableTelemetry();
  const { sources, release } = await mapWeights(leavesOf(graph, "weight"), weights);
  try {
    const placement = await placeWeights(sources);
    const stop = device === "cpu" ? stopName : undefined;
    const model = lower(simplify(graph), placement.place, { emptySequence: stop });
    const sessionOptions: ort.InferenceSession.SessionOptions = {
      executionProviders: providers[device],
      intraOpNumThreads: threads === 0 ? threadsByDefault() : threads,
      interOpNumThreads: 1,
      graphOptimizationLevel: "basic",
      enableMemPattern: false,
      enableCpuMemArena: arena,
      logSeverityLevel: 3,
      ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile }),
      ...(placement.buffers.length === 0 ? {} : { externalData: placement.buffers }),
      extra: {
        session: {
          ...(prepack ? {} : { disable_prepacking: "1" }),
          ...(spin ? {} : { intra_op: { allow_spinning: "0" } }),
          ...(placement.root === undefined ? {} : { model_external_initializers_file_folder_path: placement.root }),
        },
        optimization: { constant_folding_max_output_size_in_bytes: String(placement.foldLimitBytes) },
      },
    };
    const session = await refused("compile", () => ort.InferenceSession.create(model, sessionOptions));
    return wrap(session, graph, stop, { requireWhole: placement.requireWhole, release });
  } finally {
    await release();
  }
}

/**
 * The binding copies every result it hands over, also those it was given memory for, and only then drops the copies. It
 * cannot hand over a sequence, and says so once the graph has run. So a sequence, its first output, ends a run whose
 * results are all in the caller's memory by then.
 */
const stopName = "$stop";
const stopMessage = /^Non tensor type is /;

function wrap(
  session: ort.InferenceSession,
  graph: Graph,
  stop: string | undefined,
  { requireWhole, release }: { readonly requireWhole: () => void; readonly release: () => Promise<void> },
): Session {
  let open = true;
  let canStop = stop !== undefined;
  const names = Object.keys(graph.outputs);
  const inputs = leavesOf(graph, "input");
  const start = (fed: ort.InferenceSession.FeedsType, fetches: Readonly<Record<string, ort.Tensor | null>>) =>
    refused("run", () => session.run(fed, fetches as ort.InferenceSession.FetchesType));

  async function runStopped(fed: ort.InferenceSession.FeedsType, into: Feeds): Promise<void> {
    const fetches = Object.fromEntries(names.map((name) => [name, rawOrt(into[name]!)]));
    if (canStop) {
      try {
        await session.run(fed, { [stopName]: null, ...fetches } as ort.InferenceSession.FetchesType);
        return;
      } catch (error) {
        if (error instanceof Error && stopMessage.test(error.message)) return;
      }
    }
    await start(fed, fetches); // throws what went wrong; where nothing did, this binding stops in other words
    canStop = false;
  }

  async function run(feeds: Feeds, into: Feeds = {}): Promise<Record<string, Tensor>> {
    if (!open) throw new Error("internal: the session was closed");
    requireWhole();
    const fed: Record<string, ort.Tensor> = {};
    for (const [name, node] of inputs) fed[name] = rawOrt(checkedFeed(name, node, feeds[name]));
    const given = completed(graph, into);
    if (given !== undefined) {
      await runStopped(fed, given);
      return { ...given };
    }
    const results = await start(
      fed,
      Object.fromEntries(names.map((name) => [name, into[name] === undefined ? null : rawOrt(into[name])])),
    );
    return Object.fromEntries(names.map((name) => [name, into[name] ?? fromOrt(results[name]!)]));
  }
  async function close(): Promise<void> {
    if (!open) return;
    open = false;
    await session.release();
    await release();
  }
  return { run, close, [Symbol.asyncDispose]: close, outputNames: names, keepsState: false };
}

/** Memory for every result, where the caller gave some and the rest have shapes that are known. */
function completed({ outputs }: Graph, into: Feeds): Feeds | undefined {
  const all: Record<string, Tensor> = {};
  let isGiven = false;
  for (const [name, { dtype, shape }] of Object.entries(outputs)) {
    const given = into[name];
    if (given === undefined && !shape.every((dim) => typeof dim === "number")) return undefined;
    all[name] = given ?? zeros(dtype, shape as readonly number[]);
    isGiven ||= given !== undefined;
  }
  return isGiven ? all : undefined;
}

const rawOrt = ({ dtype, shape, data }: Tensor): ort.Tensor =>
  new ort.Tensor(ortTypes[dtype], data as Float32Array, shape);
