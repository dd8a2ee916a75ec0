/** @file One expert of Transformer² as what is trained beside a frozen model: factors of its singular values. */
import type { Rng } from "../base/rng.ts";
import type { ParameterInfo } from "../generator/parameters.ts";
import { sigmoid, weight as weightNode } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";
import { besideSingularValues, bySingularValues, renormalized } from "../nn/svf.ts";
import type { WeightSource } from "../runtime/session.ts";
import type { Basis } from "../svf/svd-cache.ts";
import type { SvdFile } from "../svf/svd-file.ts";
import type { Adaptation } from "./adapted-step.ts";

/** How a factor comes from what is trained. */
export const svfForms = {
  /** z itself, from 1 on: what the paper says. */
  free: { renormalize: false },
  /** z = sigmoid(p) from p ≈ 0.1 on, renormalised: what the published code does. */
  bounded: { renormalize: true },
} as const;
export type SvfForm = keyof typeof svfForms;

export type SvfShape = {
  readonly basis: Basis;
  /** Factors of so many of the largest singular values of each map; null: of all. */
  readonly rank: number | null;
  readonly form: SvfForm;
};

const parameterName = (weight: string) => weight.replace(/\.weight$/, ".z");
const nodeNames = (weight: string) => ({ u: `svd.${weight}.u`, s: `svd.${weight}.s`, v: `svd.${weight}.v` }) as const;
const rankOf = ({ rank }: SvfShape, file: SvdFile): number => Math.min(rank ?? file.rank, file.rank);

const svfParameters = (shape: SvfShape): Map<string, ParameterInfo> =>
  new Map(
    [...shape.basis.values()].map((file) => [
      parameterName(file.weight),
      { shape: [rankOf(shape, file)], start: "one" as const },
    ]),
  );

/** Where training begins: the base model, or as good as it. */
export function svfStart(shape: SvfShape, rng: Rng): Map<string, Float32Array> {
  return new Map(
    [...svfParameters(shape)].map(([name, { shape: size }]) => {
      const values = new Float32Array(size[0]!);
      if (shape.form === "free") return [name, values.fill(1)];
      return [name, rng.fillNormal(values, 0.01).map((value) => value + 0.1)];
    }),
  );
}

export function svfAdaptation(shape: SvfShape): Adaptation {
  return {
    parameters: svfParameters(shape),
    adapt: (parameters) => (name, plain) => {
      const file = shape.basis.get(`${name}.weight`);
      if (file === undefined) return plain;
      const rank = rankOf(shape, file);
      const nodes = nodeNames(file.weight);
      const svd = {
        u: weightNode(nodes.u, [rank, file.outputs]),
        s: weightNode(nodes.s, [rank]),
        v: weightNode(nodes.v, [rank, file.inputs]),
      };
      const factors = factorsOf(shape.form, parameters[parameterName(file.weight)]!, svd.s);
      return rank === file.rank ? bySingularValues(svd, factors) : besideSingularValues(plain, svd, factors);
    },
  };
}

const factorsOf = (form: SvfForm, trained: Node, s: Node): Node =>
  form === "free" ? trained : renormalized(sigmoid(trained), s);

/** The frozen U, Σ and V that the adaptation reads: the first rows of each. */
export function svfSources(shape: SvfShape): Record<string, WeightSource> {
  const sources: Record<string, WeightSource> = {};
  for (const file of shape.basis.values()) {
    const rank = rankOf(shape, file);
    const widths = { u: file.outputs, s: 1, v: file.inputs };
    for (const part of ["u", "s", "v"] as const)
      sources[nodeNames(file.weight)[part]] = firstBytes(file.sources[part], 4 * rank * widths[part]);
  }
  return sources;
}

const firstBytes = (source: WeightSource, bytes: number): WeightSource =>
  source.kind === "file" ? { ...source, bytes } : source;

/** The factors that trained values are, by the names of their weights. */
export function trainedFactors(shape: SvfShape, values: ReadonlyMap<string, Float32Array>): Map<string, Float32Array> {
  const toFactor = shape.form === "free" ? (p: number) => p : (p: number) => 1 / (1 + Math.exp(-p));
  return new Map([...shape.basis.keys()].map((weight) => [weight, values.get(parameterName(weight))!.map(toFactor)]));
}
