/** @file An adapter merged into the weights of a model. */
import { compile, readWeight } from "#runtime";
import { add, input, matmul } from "../graph/build.ts";
import type { Adapter, LowRank } from "../lora/low-rank.ts";
import type { CompileOptions, WeightSource } from "../runtime/session.ts";
import { floatTensor, zeros } from "../runtime/tensor.ts";

type Weights = Readonly<Record<string, WeightSource>>;

/** W̃ = W + B·A for every adapted weight (LoRA-Gen eq. 1); all other weights stay where they are. Changes may come one at a time. */
export async function mergeAdapter(
  base: Weights,
  adapter: Adapter | AsyncIterable<readonly [weight: string, change: LowRank]>,
  options: Pick<CompileOptions, "device"> = {},
): Promise<Record<string, WeightSource>> {
  const weights: Record<string, WeightSource> = { ...base };
  const sum = add(
    input("w", ["outputs", "inputs"]),
    matmul(input("b", ["rank", "outputs"]), input("a", ["rank", "inputs"]), { transA: true }),
  );
  await using session = await compile({ outputs: { merged: sum } }, options);
  for await (const [name, { rank, inputs, outputs, a, b }] of adapter) {
    if (rank === 0) continue; // nothing to add: the weight stays as it is
    const merged = zeros("f32", [outputs, inputs]);
    const w = floatTensor([outputs, inputs], await readWeight(base[name]!));
    await session.run({ w, a: floatTensor([rank, inputs], a), b: floatTensor([rank, outputs], b) }, { merged });
    weights[name] = { kind: "data", data: merged.data };
  }
  return weights;
}

/** The same adapter at another strength. */
export function scaleAdapter(adapter: Adapter, scale: number): Adapter {
  if (scale === 1) return adapter;
  return new Map(
    [...adapter].map(([name, change]) => [name, { ...change, b: change.b.map((value) => value * scale) }]),
  );
}
