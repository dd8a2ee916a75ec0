/** @file A GGUF file explained, a model or an adapter: what llama.cpp would take it for, its metadata, tokenizer, tensors, types, size, hash. */
import { sha256File } from "../../base/hash-file.ts";
import { keptBlocks } from "../../files/gguf/blocks.ts";
import { type GgufField, type GgufFile, openGguf } from "../../files/gguf/read.ts";
import { readMergeRecord } from "../../models/save-merged.ts";
import { hasGgufTokenizer } from "../../text/gguf-tokenizer.ts";
import { formatBytes, formatCount, plural } from "../format.ts";
import { printableLine } from "../printable.ts";
import { facts, type Inspection } from "./inspection.ts";
import { mergeFacts } from "./model.ts";
import { countParameters, describeDtypes, dtypesOf, tensorTable } from "./safetensors.ts";

/** Of a text in the metadata, shown to a person and in JSON. */
const shownLength = 100;
const listedLength = 1000;

/** Explains a file, also one of an architecture or with tensors that are not supported. */
export async function inspectGguf(path: string): Promise<Inspection> {
  const file = await openGguf(path);
  const { fileBytes: bytes, version, metadata } = file;
  const text = (key: string) => {
    const value = metadata.get(key)?.value;
    return typeof value === "string" ? printableLine(value.slice(0, shownLength)) : undefined;
  };
  const architecture = text("general.architecture") ?? "none";
  const type = text("general.type") ?? "model"; // llama.cpp takes a file without it for a model
  const sized = [...file.tensors.values(), ...[...file.unreadable.values()].map((one) => ({ ...one, bytes: null }))];
  const listed = sized.map(({ name, type: dtype, shape, bytes: size }) => ({ name, dtype, shape, bytes: size }));
  const merge = await readMergeRecord(path);
  const [parameters, dtypes, sha256] = [countParameters(listed), dtypesOf(listed), await sha256File(path)];
  const unreadable = [...new Set([...file.unreadable.values()].map((tensor) => tensor.type))];
  const runTime = runTimeOf(file);
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
      unreadable,
      runTime,
      metadata: Object.fromEntries([...metadata].map(([key, field]) => [key, listedValue(field)])),
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
        ["at run time", unreadable.length > 0 ? `cannot be read: ${unreadable.join(", ")}` : describeRunTime(runTime)],
        ["tokenizer", hasGgufTokenizer(metadata) ? describeTokenizer(file) : "none"],
        ["sha256", sha256],
        ...(merge === undefined ? [] : mergeFacts(merge)),
      ]),
      "",
      ...facts([...metadata].map(([key, field]) => [printableLine(key), printableLine(shownValue(field))] as const)),
      "",
      ...tensorTable(listed),
    ],
  };
}

type RunTime = { readonly inBlocks: number; readonly inF32: number };

/** How many tensors are held in their own blocks while a model answers, and how many in fp32. */
function runTimeOf({ tensors }: GgufFile): RunTime {
  const inBlocks = [...tensors.values()].filter(
    ({ type, shape }) => shape.length === 2 && keptBlocks(type) !== undefined,
  ).length;
  return { inBlocks, inF32: tensors.size - inBlocks };
}

const describeRunTime = ({ inBlocks, inF32 }: RunTime): string =>
  inBlocks === 0 ? "all in fp32" : `${plural(inBlocks, "tensor")} in their own blocks, ${inF32} in fp32`;

function describeTokenizer({ metadata }: GgufFile): string {
  const value = (key: string) => metadata.get(`tokenizer.ggml.${key}`)?.value;
  const tokens = value("tokens");
  const pre = value("pre");
  const words = typeof pre === "string" ? `, words split as ${printableLine(pre.slice(0, shownLength))}` : "";
  const template = metadata.has("tokenizer.chat_template") ? ", with a chat template" : "";
  return `${printableLine(String(value("model")).slice(0, shownLength))}, ${plural(Array.isArray(tokens) ? tokens.length : 0, "token")}${words}${template}`;
}

/** JSON has no 64-bit integers. Lists are named by their length: a vocabulary is long. */
function listedValue(field: GgufField): unknown {
  if (field.type === "array") return { of: field.of, length: field.value.length };
  const { value } = field;
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  return typeof value === "string" ? value.slice(0, listedLength) : value;
}

function shownValue(field: GgufField): string {
  if (field.type === "array") return `${field.value.length} × ${field.of}`;
  const text = String(field.value);
  return text.length > shownLength ? `${text.slice(0, shownLength)}…` : text;
}
