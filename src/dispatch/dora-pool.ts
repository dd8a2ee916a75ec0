/**
 * @file DoRA adapters as a pool. Each changes a weight by W_k − W = (D_k − 1) W + D_k B_k A_k, with D_k = m_k / ‖W + B_k A_k‖ of each row, so that
 * y = (1 + Σ α_k (D_k − 1)) ⊙ W x + Σ α_k D_k B_k A_k x: the factors of rows mix as IA³'s do, the rest as LoRAs.
 */
import { AppError } from "../base/errors.ts";
import { add, matmul, mul, slice, weight as weightNode } from "../graph/build.ts";
import type { PeftBase } from "../lora/fused.ts";
import type { LowRank } from "../lora/low-rank.ts";
import { type DoraChange, rowLengths } from "../lora/peft-change.ts";
import { type PeftOptions, writePeft } from "../lora/peft-format.ts";
import type { WeightSource } from "../runtime/session.ts";
import { mixedFactors } from "./ia3-pool.ts";
import { joined, mixture } from "./lora-pool.ts";
import {
  layerOf,
  type Named,
  openPool,
  type Shares,
  type SkillPool,
  type Steered,
  type SteeredMap,
  steeredMaps,
} from "./skill-pool.ts";

/** By names of weights. */
type Dora = ReadonlyMap<string, DoraChange>;

/** @param base the weights that the skills are for: a mixture that is saved needs them */
export function doraPool(
  layers: number,
  skills: readonly Named<Dora>[],
  classifier: Dora | undefined,
  base: Pick<PeftOptions, "baseName"> & Pick<PeftBase, "valuesOf">,
): SkillPool {
  const adapters = skills.map(({ skill }) => skill);
  return openPool({
    kind: "dora",
    layers,
    skills,
    bytesOf,
    steering: () => steering(adapters),
    dispatching: classifier && steering([classifier]),
    save: (directory, shares) => save(directory, adapters, shares, base),
  });
}

const bytesOf = (skill: Dora): number =>
  [...skill.values()].reduce((sum, { change: { a, b }, rows }) => sum + 4 * (a.length + b.length + rows.length), 0);

const lowRanks = (skills: readonly Dora[]): ReadonlyMap<string, LowRank>[] =>
  skills.map((skill) => new Map([...skill].map(([weight, { change }]) => [weight, change])));
const rowsOf = (skills: readonly Dora[], weight: string) => skills.map((skill) => skill.get(weight)?.rows);

function steering(skills: readonly Dora[]): Steered {
  const maps = new Map<string, SteeredMap>();
  const weights: Record<string, WeightSource> = {};
  for (const [weight, { rank, inputs, outputs, a, b, of }] of joined(lowRanks(skills))) {
    const names = { a: `skills.${weight}.a`, b: `skills.${weight}.b` };
    weights[names.a] = { kind: "data", data: a };
    weights[names.b] = { kind: "data", data: b };
    const sides = { a: weightNode(names.a, [rank, inputs]), b: weightNode(names.b, [rank, outputs]) };
    const parts = rowsOf(skills, weight);
    maps.set(weight, {
      size: rank + outputs,
      wrap(plain, steered) {
        const [gates, rows] = [slice(steered, 0, 0, rank), slice(steered, 0, rank, rank + outputs)];
        return (x) => add(mul(plain(x), rows), matmul(mul(matmul(x, sides.a, { transB: true }), gates), sides.b));
      },
      steer(values, shares) {
        values.set(of.map((skill) => shares[skill]!));
        values.set(mixedFactors(parts, shares, outputs), rank);
      },
    });
  }
  return steeredMaps(maps, weights);
}

/** L W + B A as one DoRA of all ranks: L (W + L⁻¹ B A), its rows as long as they are. Throws E_MISMATCH where a row of W is left with no share. */
async function save(
  directory: string,
  skills: readonly Dora[],
  shares: Shares,
  { baseName, valuesOf }: Pick<PeftOptions, "baseName"> & Pick<PeftBase, "valuesOf">,
): Promise<void> {
  const adapter = new Map<string, LowRank>();
  const magnitudes = new Map<string, Float32Array>();
  for (const [weight, change] of mixture(lowRanks(skills), shares)) {
    const { inputs, outputs } = change;
    const rows = mixedFactors(rowsOf(skills, weight), shares[layerOf(weight)]!, outputs);
    const none = rows.findIndex((factor) => Math.abs(factor) < leastFactor);
    if (none >= 0)
      throw new AppError(
        "E_MISMATCH",
        `${weight}: row ${none} of the mixture has none of the base model's: no DoRA says that; take other shares`,
      );
    const scaled = (await valuesOf(weight)).map((value, i) => value * rows[Math.floor(i / inputs)]!);
    magnitudes.set(
      weight,
      rowLengths(scaled, change).map((length, i) => Math.sign(rows[i]!) * length),
    );
    adapter.set(weight, { ...change, b: change.b.map((value, i) => value / rows[i % outputs]!) });
  }
  await writePeft(directory, adapter, { baseName, magnitudes });
}

/** Below it dividing by a row's factor loses digits. */
const leastFactor = 1e-3;
