/** @file Adapters where a file has one tensor for several linear maps of ours: their changes joined for it, and taken apart again. */
import type { Adapter, LowRank } from "./low-rank.ts";

/** A tensor's name → the weights of ours whose rows it holds, one behind the other. */
export type Fused = ReadonlyMap<string, readonly { readonly name: string; readonly rows: number }[]>;

/** What is to be known of a base model. */
export type PeftBase = {
  /** Name → shape of every parameter. A model without `lm_head.weight` has its embedding as head. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** Tensors of the base model's files that hold several parameters: what adapters name. */
  readonly fused?: Fused;
  /** The values of a parameter. May throw E_CONFIG where they are not to be had, as of a quantised model. */
  readonly valuesOf: (name: string) => Promise<Float32Array>;
  /** Whether a parameter has these values already. */
  readonly isSame: (name: string, values: Float32Array) => Promise<boolean>;
};

export type PeftChange = {
  /** Low-rank changes of linear maps, scales folded in. */
  readonly adapter: Adapter;
  /** Parameters in place of the base model's: what was saved whole, and what is no plain sum (DoRA, embeddings, trained tokens, biases). */
  readonly whole: ReadonlyMap<string, Float32Array>;
  /** Whether head and embedding, one weight in the base model, become two. */
  readonly untiesHead: boolean;
};

/** The base model as its files have it. */
export function joinedBase(base: PeftBase): PeftBase {
  const { fused = new Map() as Fused, shapes, valuesOf, isSame } = base;
  if (fused.size === 0) return base;
  return {
    shapes: joinedShapes({ shapes, fused }),
    async valuesOf(name) {
      const parts = fused.get(name);
      if (parts === undefined) return valuesOf(name);
      const values: Float32Array[] = [];
      for (const part of parts) values.push(await valuesOf(part.name));
      return joinValues(values);
    },
    async isSame(name, values) {
      for (const [part, rows] of split(name, values, fused)) if (!(await isSame(part, rows))) return false;
      return true;
    },
  };
}

/** The shapes of the files' tensors. */
export function joinedShapes({ shapes, fused = new Map() }: Pick<PeftBase, "shapes" | "fused">): PeftBase["shapes"] {
  if (fused.size === 0) return shapes;
  const wholes = new Map([...fused].flatMap(([whole, parts]) => parts.map(({ name }) => [name, whole] as const)));
  const found = new Map<string, readonly number[]>();
  for (const [name, shape] of shapes) {
    const whole = wholes.get(name);
    if (whole === undefined) found.set(name, shape);
    else found.set(whole, [fused.get(whole)!.reduce((sum, { rows }) => sum + rows, 0), ...shape.slice(1)]);
  }
  return found;
}

/** Values of parts, one behind the other. */
export function joinValues(values: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(values.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const each of values) {
    out.set(each, at);
    at += each.length;
  }
  return out;
}

/** The values of a tensor by our weights. */
export function split(name: string, values: Float32Array, fused: Fused): [string, Float32Array][] {
  const parts = fused.get(name);
  if (parts === undefined) return [[name, values]];
  const width = values.length / parts.reduce((sum, { rows }) => sum + rows, 0);
  let at = 0;
  return parts.map((part) => {
    const from = at;
    at += width * part.rows;
    return [part.name, values.subarray(from, at)];
  });
}

/** What is read for the files' tensors, for our weights. */
export function splitChange({ adapter, whole, untiesHead }: PeftChange, fused: Fused = new Map()): PeftChange {
  return {
    adapter: splitAdapter(adapter, fused),
    whole: new Map([...whole].flatMap(([name, values]) => split(name, values, fused))),
    untiesHead,
  };
}

/** Changes of the files' tensors, for our weights. */
export const splitAdapter = (adapter: Adapter, fused: Fused = new Map()): Adapter =>
  new Map([...adapter].flatMap(([name, change]) => splitLowRank(name, change, fused)));

/** The rows of B·A are those of B. */
function splitLowRank(name: string, change: LowRank, fused: Fused): [string, LowRank][] {
  const parts = fused.get(name);
  if (parts === undefined) return [[name, change]];
  let at = 0;
  return parts.map((part) => {
    const b = new Float32Array(change.rank * part.rows);
    for (let r = 0; r < change.rank; r++) {
      const from = r * change.outputs + at;
      b.set(change.b.subarray(from, from + part.rows), r * part.rows);
    }
    at += part.rows;
    return [part.name, { ...change, outputs: part.rows, b }];
  });
}

/** Changes of our weights for the files' tensors: the ranks of the parts add up, each changes its own rows. */
export function joinAdapter(adapter: Adapter, fused: Fused = new Map()): Adapter {
  const found = new Map(adapter);
  for (const [whole, parts] of fused) {
    const changes = parts.map(({ name }) => adapter.get(name));
    const one = changes.find((change) => change !== undefined);
    if (one === undefined) continue;
    const rank = changes.reduce((sum, change) => sum + (change?.rank ?? 0), 0);
    const outputs = parts.reduce((sum, { rows }) => sum + rows, 0);
    const [a, b] = [new Float32Array(rank * one.inputs), new Float32Array(rank * outputs)];
    let [rankAt, rowAt] = [0, 0];
    for (const [i, { name, rows }] of parts.entries()) {
      const change = changes[i];
      found.delete(name);
      if (change !== undefined) {
        a.set(change.a, rankAt * one.inputs);
        for (let r = 0; r < change.rank; r++)
          b.set(change.b.subarray(r * rows, (r + 1) * rows), (rankAt + r) * outputs + rowAt);
        rankAt += change.rank;
      }
      rowAt += rows;
    }
    found.set(whole, { rank, inputs: one.inputs, outputs, a, b });
  }
  return found;
}
