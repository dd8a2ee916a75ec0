/** @file A GGUF file explained, a model or an adapter: what llama.cpp would take it for, tensors, types, size, hash. */
import { sha256File } from "../../base/hash.ts";
import { openGguf } from "../../files/gguf/read.ts";
import { readMergeRecord } from "../../models/save-merged.ts";
import { formatBytes, formatCount, plural } from "../format.ts";
import { printableLine } from "../printable.ts";
import { facts, type Inspection } from "./inspection.ts";
import { mergeFacts } from "./model.ts";
import { countParameters, describeDtypes, dtypesOf, tensorTable } from "./safetensors.ts";

export async function inspectGguf(path: string): Promise<Inspection> {
  const { fileBytes: bytes, version, metadata, tensors } = await openGguf(path);
  const text = (key: string) => {
    const value = metadata.get(key)?.value;
    return typeof value === "string" ? printableLine(value.slice(0, 100)) : undefined;
  };
  const architecture = text("general.architecture") ?? "none";
  const type = text("general.type") ?? "model"; // llama.cpp takes a file without it for a model
  const listed = [...tensors.values()].map(({ name, type: dtype, shape, bytes: size }) => ({
    name,
    dtype,
    shape,
    bytes: size,
  }));
  const merge = await readMergeRecord(path);
  const [parameters, dtypes, sha256] = [countParameters(listed), dtypesOf(listed), await sha256File(path)];
  return {
    json: {
      kind: "gguf",
      path,
      version,
      type,
      architecture,
      bytes,
      sha256,
      parameters,
      dtypes,
      ...(merge === undefined ? {} : { merge }),
      tensors: listed,
    },
    lines: (colors) => [
      colors.bold(`${path}: ${type} in GGUF ${version}, ${plural(listed.length, "tensor")}`),
      "",
      ...facts([
        ["architecture", architecture],
        ["name", text("general.name") ?? "none"],
        ["size", formatBytes(bytes)],
        ["parameters", `${formatCount(parameters)} (${describeDtypes(dtypes)})`],
        ["sha256", sha256],
        ...(merge === undefined ? [] : mergeFacts(merge)),
      ]),
      "",
      ...tensorTable(listed),
    ],
  };
}
