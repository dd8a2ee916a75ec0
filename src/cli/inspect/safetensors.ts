/** @file A safetensors file explained: tensors, types, size, hash. */
import { sha256File } from "../../base/hash-file.ts";
import { elementCount, openSafetensors, type TensorInfo } from "../../files/safetensors.ts";
import { formatBytes, formatCount, plural } from "../format.ts";
import { formatTable } from "../table.ts";
import { facts, type Inspection } from "./inspection.ts";

type Listed = {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Null where that is not known. */
  readonly bytes: number | null;
};

/** Tensors shown to a person; JSON has all. */
const maxShown = 20;

export async function inspectSafetensors(path: string): Promise<Inspection> {
  const file = await openSafetensors(path);
  const sha256 = await sha256File(path);
  const tensors = [...file.tensors.values()].sort((a, b) => a.offset - b.offset);
  const parameters = countParameters(tensors);
  const dtypes = dtypesOf(tensors);
  const { fileBytes: bytes, headerBytes, metadata } = file;
  const listed = tensors.map(({ name, dtype, shape, bytes: size }) => ({ name, dtype, shape, bytes: size }));
  return {
    json: { kind: "safetensors", path, bytes, sha256, headerBytes, metadata, parameters, dtypes, tensors: listed },
    lines: (colors) => [
      colors.bold(`${path}: ${plural(tensors.length, "tensor")}`),
      "",
      ...facts([
        ["size", `${formatBytes(bytes)}, of it ${formatBytes(headerBytes)} header`],
        ["parameters", `${formatCount(parameters)} (${describeDtypes(dtypes)})`],
        ["sha256", sha256],
        ...Object.entries(metadata).map(([key, value]) => [key, value.slice(0, 100)] as const),
      ]),
      "",
      ...tensorTable(listed),
    ],
  };
}

/** The first tensors, and how many more there are. */
export const tensorTable = (tensors: readonly Listed[]): string[] => [
  formatTable(
    [
      { title: "tensor", maxWidth: 60 },
      { title: "type" },
      { title: "shape", align: "right" },
      { title: "size", align: "right" },
    ],
    tensors
      .slice(0, maxShown)
      .map(({ name, dtype, shape, bytes }) => [
        name,
        dtype,
        shape.join(" × "),
        bytes === null ? "?" : formatBytes(bytes),
      ]),
  ),
  ...(tensors.length > maxShown ? [`and ${tensors.length - maxShown} more; --json lists them all`] : []),
];

export const countParameters = (tensors: readonly Pick<TensorInfo, "shape">[]): number =>
  tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);

/** How many parameters there are of each type. */
export function dtypesOf(tensors: readonly Pick<Listed, "dtype" | "shape">[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { dtype, shape } of tensors) counts[dtype] = (counts[dtype] ?? 0) + elementCount(shape);
  return counts;
}

export const describeDtypes = (dtypes: Readonly<Record<string, number>>): string =>
  Object.keys(dtypes).length === 1
    ? Object.keys(dtypes)[0]!
    : Object.entries(dtypes)
        .map(([dtype, count]) => `${dtype} ${formatCount(count)}`)
        .join(", ");
