/** @file Collects ONNX nodes and initialisers while a graph is lowered, and resolves symbolic dimensions at run time. */
import { dimFactors } from "../graph/dims.ts";
import type { Dim, DType, Shape } from "../graph/types.ts";
import type { Attribute, OnnxInitializer, OnnxNode } from "./proto.ts";

/** Where a symbolic dimension can be read: an axis of a graph input. */
export type DimSource = { readonly name: string; readonly axis: number };

export type Emitter = {
  /** Appends a node and returns the names of its outputs. */
  emit(opType: string, inputs: readonly string[], options?: EmitOptions): string;
  emitMany(count: number, opType: string, inputs: readonly string[], options?: EmitOptions): string[];
  /** A constant i64 vector (or scalar with `scalar`). Equal constants share one initialiser. */
  ints(values: readonly number[], options?: { readonly scalar?: boolean }): string;
  literal(values: readonly number[], dims: readonly number[], dtype: DType): string;
  /** A shape as an i64 vector, symbols read from the inputs as the model runs. */
  shapeVector(shape: Shape): string;
  /** A dimension as an i64 vector of one element. */
  dimVector(dim: Dim): string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxInitializer[];
};

export type EmitOptions = {
  readonly domain?: "" | "com.microsoft";
  readonly attributes?: Readonly<Record<string, Attribute>>;
};

/** Row-major numbers as little-endian bytes of a type. */
export function literalBytes(values: readonly number[], dtype: DType | "i32"): Uint8Array {
  const arrays = {
    f32: () => new Float32Array(values),
    i64: () => new BigInt64Array(values.map((value) => BigInt(value))),
    i32: () => new Int32Array(values),
    bool: () => new Uint8Array(values),
    u8: () => new Uint8Array(values),
  };
  return new Uint8Array(arrays[dtype]().buffer);
}

export function createEmitter(dimSources: ReadonlyMap<string, DimSource>): Emitter {
  const nodes: OnnxNode[] = [];
  const initializers: OnnxInitializer[] = [];
  const cache = new Map<string, string>();
  let counter = 0;

  function emitMany(
    count: number,
    opType: string,
    inputs: readonly string[],
    { domain = "", attributes = {} }: EmitOptions = {},
  ): string[] {
    const id = counter++;
    const outputs = Array.from({ length: count }, (_, i) => (count === 1 ? `%${id}` : `%${id}.${i}`));
    nodes.push({ opType, domain, inputs, outputs, attributes });
    return outputs;
  }

  const emit: Emitter["emit"] = (opType, inputs, options) => emitMany(1, opType, inputs, options)[0]!;

  function cached(key: string, make: () => string): string {
    const known = cache.get(key);
    if (known !== undefined) return known;
    const made = make();
    cache.set(key, made);
    return made;
  }

  const literal: Emitter["literal"] = (values, dims, dtype) =>
    cached(`literal ${dtype} [${dims}] ${values}`, () => {
      const name = `$${counter++}`;
      initializers.push({ name, dtype, dims, value: { bytes: literalBytes(values, dtype) } });
      return name;
    });

  const ints: Emitter["ints"] = (values, { scalar = false } = {}) =>
    literal(values, scalar ? [] : [values.length], "i64");

  const dims = dimEmitter({ emit, ints, cached }, dimSources);
  return { emit, emitMany, ints, literal, ...dims, nodes, initializers };
}

/** Dimensions as vectors of the running graph: constants where they are known, else read from the inputs, each once. */
function dimEmitter(
  { emit, ints, cached }: Pick<Emitter, "emit" | "ints"> & { cached(key: string, make: () => string): string },
  dimSources: ReadonlyMap<string, DimSource>,
): Pick<Emitter, "shapeVector" | "dimVector"> {
  function symbolVector(symbol: string): string {
    return cached(`symbol ${symbol}`, () => {
      const source = dimSources.get(symbol);
      if (source === undefined) throw new Error(`internal: no input carries the dimension "${symbol}"`);
      return emit("Shape", [source.name], { attributes: { start: source.axis, end: source.axis + 1 } });
    });
  }

  function dimVector(dim: Dim): string {
    if (typeof dim === "number") return ints([dim]);
    return cached(`dim ${dim}`, () => {
      const { coefficient, symbols } = dimFactors(dim);
      const factors = symbols.map(symbolVector);
      if (coefficient !== 1) factors.push(ints([coefficient]));
      return factors.reduce((product, factor) => emit("Mul", [product, factor]));
    });
  }

  function shapeVector(shape: Shape): string {
    if (shape.every((dim) => typeof dim === "number")) return ints(shape);
    return cached(`shape ${shape}`, () => emit("Concat", shape.map(dimVector), { attributes: { axis: 0 } }));
  }
  return { shapeVector, dimVector };
}
