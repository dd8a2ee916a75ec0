/** @file Where a step's time goes: ONNX Runtime's profile of it, summed by part. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema, type NodeProto } from "onnx-buf";
import { simplify } from "../../src/graph/simplify.ts";
import type { Graph } from "../../src/graph/types.ts";
import { lower } from "../../src/onnx/lower.ts";
import { adamwScalars } from "../../src/optim/adamw.ts";
import { compile } from "../../src/runtime/node.ts";
import type { Feeds } from "../../src/runtime/session.ts";
import { scalarTensor } from "../../src/runtime/tensor.ts";
import { stateShapes, zeroState } from "../../src/train/state.ts";
import { buildStep, stepNames } from "../../src/train/step.ts";
import { type Part, partsOf } from "./parts.ts";
import type { StepProblem } from "./problem.ts";

/** One event of the profile's file. */
type Event = {
  readonly cat: string;
  readonly name: string;
  /** Microseconds. */
  readonly dur: number;
  readonly args: { readonly input_type_shape?: readonly Readonly<Record<string, readonly number[]>>[] };
};

const kernel = "_kernel_time";
const runs = 3;

/** Milliseconds a step of every part, the largest first: the mean of a few steps. */
export async function profileStep(problem: StepProblem, threads: number): Promise<Map<Part, number>> {
  const graph = buildStep(problem.spec);
  const folder = await mkdtemp(join(tmpdir(), "profile-"));
  try {
    await runProfiled(graph, problem, threads, join(folder, "step"));
    const [file] = await readdir(folder);
    return sumByPart(graph, problem, JSON.parse(await readFile(join(folder, file!), "utf8")) as Event[]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function runProfiled(graph: Graph, problem: StepProblem, threads: number, profile: string): Promise<void> {
  const { spec, state, weights, feeds } = problem;
  await using session = await compile(graph, { weights, threads, prepack: false, profile });
  const { keep, stepSize, epsilon } = adamwScalars(1, 1e-4, spec.optimizer);
  const scalars: Feeds = {
    [stepNames.keep]: scalarTensor(keep),
    [stepNames.stepSize]: scalarTensor(stepSize),
    [stepNames.epsilon]: scalarTensor(epsilon),
  };
  for (let run = 0; run < runs; run++)
    await session.run({ ...zeroState(stateShapes(spec)), ...state, ...scalars, ...feeds });
}

function sumByPart(graph: Graph, { shape }: StepProblem, events: readonly Event[]): Map<Part, number> {
  const nodes = loweredNodes(graph);
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const partOf = partsOf(nodes, shape);
  const sums = new Map<Part, number>();
  for (const { cat, name, dur, args } of events) {
    if (cat !== "Node" || !name.endsWith(kernel)) continue;
    const node = byName.get(name.slice(0, -kernel.length));
    const shapes = (args.input_type_shape ?? []).map((typed) => Object.values(typed)[0]!);
    const part = node === undefined ? "other" : partOf({ node, shapes }); // what ONNX Runtime has added has no name of ours
    sums.set(part, (sums.get(part) ?? 0) + dur / 1000 / runs);
  }
  return new Map([...sums].sort(([, a], [, b]) => b - a));
}

/** The operators that the graph is compiled to, with the names that the profile calls them by. */
function loweredNodes(graph: Graph): readonly NodeProto[] {
  const bytes = lower(simplify(graph), () => ({ bytes: new Uint8Array() }));
  return fromBinary(ModelProtoSchema, bytes as Uint8Array<ArrayBuffer>).graph!.node;
}
