/**
 * @file Run as a process of its own, with the Vulkan driver chosen in its environment: every op case and composed graph on WebGPU.
 * Prints one JSON object: why WebGPU cannot start, or how far each result is from the CPU's.
 */
import { constant, input, mul } from "../../src/graph/build.ts";
import { grad } from "../../src/graph/grad.ts";
import { leavesOf } from "../../src/graph/tree.ts";
import type { Graph } from "../../src/graph/types.ts";
import { requireExact } from "../../src/runtime/device-limits.ts";
import { compile } from "../../src/runtime/node.ts";
import { composedGraphs } from "./composed-graphs.ts";
import {
  distance,
  leavesByName,
  numbersOfRuntime,
  runtimeFeeds,
  runtimeWeights,
  type Sizes,
  sampleLeaves,
  type Values,
} from "./numeric.ts";
import { opCases } from "./ops-cases.ts";

/** What the process prints. A failure is a text, a success the largest gap between WebGPU and CPU, and its limit. */
export type WebgpuReport =
  | { readonly cannotStart: string }
  | { readonly cases: Readonly<Record<string, { readonly gap: number; readonly limit: number } | string>> };

type Job = {
  readonly name: string;
  readonly graph: Graph;
  readonly sizes: readonly Sizes[];
  readonly values: (sizes: Sizes) => Values;
  readonly limit: number;
};

function jobs(): Job[] {
  const single = Object.entries(opCases).flatMap(([op, { cases }]) =>
    cases.map(({ title, graph, sizes, values, tolerance }) => ({
      name: `${op}: ${title}`,
      graph,
      sizes,
      values,
      limit: 10 * tolerance,
    })),
  );
  const composed = Object.values(composedGraphs).map(({ title, loss, by, sizes, ranges }) => {
    const leaves = leavesByName(loss);
    const gradients = grad(
      loss,
      by.map((name) => leaves.get(name)!),
    );
    const graph = { outputs: { loss, ...Object.fromEntries(gradients.map((node, i) => [`d ${by[i]}`, node])) } };
    return {
      name: `${title}, with gradients`,
      graph,
      sizes,
      values: (chosen: Sizes) => sampleLeaves(graph, chosen, ranges),
      limit: 1e-4,
    };
  });
  return [...single, ...composed].filter(({ graph }) => isExact(graph));
}

/** Whether WebGPU takes a graph at all. */
function isExact(graph: Graph): boolean {
  try {
    requireExact(graph, "webgpu");
    return true;
  } catch {
    return false;
  }
}

/** The largest gap between the two devices over all sizes, one session each. */
async function compare({ graph, sizes, values }: Job): Promise<number> {
  const names = [...leavesOf(graph, "weight").keys()];
  const first = values(sizes[0]!);
  const weights = runtimeWeights(Object.fromEntries(names.map((name) => [name, first[name]!])));
  await using cpu = await compile(graph, { weights, threads: 1 });
  await using gpu = await compile(graph, { weights, threads: 1, device: "webgpu" });
  let worst = 0;
  for (const chosen of sizes) {
    const feeds = runtimeFeeds(values(chosen));
    const [expected, actual] = [await cpu.run(feeds), await gpu.run(feeds)];
    for (const [name, value] of Object.entries(expected)) {
      const found = actual[name]!;
      if (found.dtype !== value.dtype || `${found.shape}` !== `${value.shape}`)
        throw new Error(`${name}: expected ${value.dtype}[${value.shape}], found ${found.dtype}[${found.shape}]`);
      worst = Math.max(worst, distance(numbersOfRuntime(found), numbersOfRuntime(value)));
    }
  }
  return worst;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function report(): Promise<WebgpuReport> {
  try {
    const probe = { outputs: { y: mul(input("x", [2]), constant(2)) } };
    await using session = await compile(probe, { device: "webgpu" });
    await session.run(runtimeFeeds(sampleLeaves(probe, {})));
  } catch (error) {
    return { cannotStart: messageOf(error) };
  }
  const cases: Record<string, { gap: number; limit: number } | string> = {};
  for (const job of jobs()) cases[job.name] = await compare(job).then((gap) => ({ gap, limit: job.limit }), messageOf);
  return { cases };
}

process.stdout.write(`${JSON.stringify(await report())}\n`);
process.exit(0); // the WebGPU device keeps the process alive
