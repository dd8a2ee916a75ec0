/** @file Writing ONNX models: the only file that knows the protobuf package. */
import { create, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
  TensorProto_DataType,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_SequenceSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from "onnx-buf";
import type { DType, Shape, ValueType } from "../graph/types.ts";

export type Attribute = number | string | readonly number[] | { readonly float: number };

export type OnnxNode = {
  readonly opType: string;
  readonly domain: "" | "com.microsoft";
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
};

/** An initialiser: bytes in the model, or a span of another file or buffer. */
export type OnnxInitializer = {
  readonly name: string;
  readonly dtype: OnnxType;
  readonly dims: readonly number[];
  readonly value:
    | { readonly bytes: Uint8Array }
    | { readonly location: string; readonly offset: number; readonly length: number };
};

/** Types on the wire; the graph's own types plus those that only ONNX Runtime's operators ask for. */
export type OnnxType = DType | "i32" | "f16" | "bf16";

export type OnnxModel = {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxInitializer[];
  readonly inputs: readonly { readonly name: string; readonly type: ValueType }[];
  readonly outputs: readonly { readonly name: string; readonly type: ValueType | SequenceType }[];
};

/** A sequence of tensors of any shape. */
export type SequenceType = { readonly sequenceOf: DType };

const dataTypes: { readonly [T in OnnxType]: TensorProto_DataType } = {
  f32: TensorProto_DataType.FLOAT,
  f16: TensorProto_DataType.FLOAT16,
  bf16: TensorProto_DataType.BFLOAT16,
  i64: TensorProto_DataType.INT64,
  i32: TensorProto_DataType.INT32,
  bool: TensorProto_DataType.BOOL,
  u8: TensorProto_DataType.UINT8,
};

/** The code ONNX gives a type, for the attribute of Cast. */
export const onnxTypeCode = (dtype: OnnxType): number => dataTypes[dtype];

function attribute(name: string, value: Attribute) {
  if (typeof value === "string") {
    return create(AttributeProtoSchema, {
      name,
      type: AttributeProto_AttributeType.STRING,
      s: new TextEncoder().encode(value),
    });
  }
  if (typeof value === "number")
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(value) });
  if ("float" in value)
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.FLOAT, f: value.float });
  return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INTS, ints: value.map(BigInt) });
}

function tensor({ name, dtype, dims, value }: OnnxInitializer) {
  const common = { name, dataType: dataTypes[dtype], dims: dims.map(BigInt) };
  if ("bytes" in value)
    return create(TensorProtoSchema, { ...common, rawData: value.bytes as Uint8Array<ArrayBuffer> });
  const entry = (key: string, text: string) => create(StringStringEntryProtoSchema, { key, value: text });
  return create(TensorProtoSchema, {
    ...common,
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: [
      entry("location", value.location),
      entry("offset", String(value.offset)),
      entry("length", String(value.length)),
    ],
  });
}

/** Symbolic dimensions become dim_param; spellings with a product stay one symbol, which ONNX Runtime allows. */
const dimension = (dim: Shape[number]) =>
  create(TensorShapeProto_DimensionSchema, {
    value: typeof dim === "number" ? { case: "dimValue", value: BigInt(dim) } : { case: "dimParam", value: dim },
  });

const tensorType = (dtype: DType, shape?: Shape) => {
  const dims = shape && { shape: create(TensorShapeProtoSchema, { dim: shape.map(dimension) }) };
  const value = create(TypeProto_TensorSchema, { elemType: dataTypes[dtype], ...dims });
  return create(TypeProtoSchema, { value: { case: "tensorType", value } });
};

const sequenceType = ({ sequenceOf }: SequenceType) => {
  const value = create(TypeProto_SequenceSchema, { elemType: tensorType(sequenceOf) });
  return create(TypeProtoSchema, { value: { case: "sequenceType", value } });
};

const valueInfo = ({ name, type }: OnnxModel["outputs"][number]) =>
  create(ValueInfoProtoSchema, {
    name,
    type: "sequenceOf" in type ? sequenceType(type) : tensorType(type.dtype, type.shape),
  });

/** The bytes of an ONNX model (IR 10, opset 21, com.microsoft 1). */
export function encodeModel(model: OnnxModel): Uint8Array {
  const proto = create(ModelProtoSchema, {
    irVersion: 10n,
    producerName: "lora-gen",
    opsetImport: [
      create(OperatorSetIdProtoSchema, { domain: "", version: 21n }),
      create(OperatorSetIdProtoSchema, { domain: "com.microsoft", version: 1n }),
    ],
    graph: create(GraphProtoSchema, {
      name: "graph",
      node: model.nodes.map(({ opType, domain, inputs, outputs, attributes }) =>
        create(NodeProtoSchema, {
          name: outputs[0]!, // what a profile and an error message call it
          opType,
          domain,
          input: [...inputs],
          output: [...outputs],
          attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
        }),
      ),
      initializer: model.initializers.map(tensor),
      input: model.inputs.map(valueInfo),
      output: model.outputs.map(valueInfo),
    }),
  });
  return toBinary(ModelProtoSchema, proto);
}
