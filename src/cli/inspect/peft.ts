/** @file The folder of a PEFT adapter explained: what its configuration says, and the shapes of its tensors. */
import { join } from "node:path";
import { sha256File } from "../../base/hash-file.ts";
import { openSafetensors } from "../../files/safetensors.ts";
import { readIa3Config } from "../../lora/ia3-format.ts";
import { peftFiles, readPeftConfig, readPeftKind } from "../../lora/peft-config.ts";
import { formatBytes, formatCount, plural } from "../format.ts";
import { printableLine } from "../printable.ts";
import { facts, type Inspection } from "./inspection.ts";
import { countParameters, describeDtypes, dtypesOf, tensorTable } from "./safetensors.ts";

export async function inspectPeft(directory: string): Promise<Inspection> {
  const { title, strength, base, target_modules, ...numbers } = await describeConfig(directory);
  const weights = join(directory, peftFiles.weights);
  const file = await openSafetensors(weights);
  const targets = typeof target_modules === "string" ? [target_modules] : (target_modules ?? []);
  const listed = [...file.tensors.values()].map(({ name, dtype, shape, bytes }) => ({ name, dtype, shape, bytes }));
  const [parameters, dtypes, sha256] = [countParameters(listed), dtypesOf(listed), await sha256File(weights)];
  const config = { ...numbers, base: base ?? null, targets };
  return {
    json: { kind: "peft", directory, ...config, bytes: file.fileBytes, sha256, parameters, dtypes, tensors: listed },
    lines: (colors) => [
      colors.bold(`${directory}: ${title}, ${plural(listed.length, "tensor")}`),
      "",
      ...facts([
        ["base model", printableLine(base ?? "not named")],
        ...strength,
        ["targets", printableLine(targets.join(", ") || "not named")],
        [
          "weights",
          `${formatBytes(file.fileBytes)}, ${formatCount(parameters)} parameters (${describeDtypes(dtypes)})`,
        ],
        ["sha256", sha256],
      ]),
      "",
      ...tensorTable(listed),
    ],
  };
}

type Described = {
  readonly title: string;
  readonly strength: readonly (readonly [string, string])[];
  readonly base: string | null | undefined;
  readonly target_modules: string | readonly string[] | null | undefined;
  readonly rank?: number;
  readonly alpha?: number;
};

async function describeConfig(directory: string): Promise<Described> {
  if ((await readPeftKind(directory)) === "IA3") {
    const {
      base_model_name_or_path: base,
      target_modules,
      feedforward_modules: inputs,
    } = await readIa3Config(directory);
    const scaled = typeof inputs === "string" ? [inputs] : (inputs ?? []);
    return {
      title: "an IA³ adapter of PEFT",
      strength: [["inputs scaled", printableLine(scaled.join(", ") || "none")]],
      base,
      target_modules,
    };
  }
  const config = await readPeftConfig(directory);
  const { r: rank, lora_alpha: alpha, base_model_name_or_path: base, target_modules, use_dora: isDora } = config;
  return {
    title: `a PEFT adapter of rank ${rank}${isDora === true ? " with lengths of rows (DoRA)" : ""}`,
    strength: [["strength", `alpha ${alpha} over rank ${rank}`]],
    base,
    target_modules,
    rank,
    alpha,
  };
}
