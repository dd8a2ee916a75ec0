/** @file The folder of a PEFT adapter explained: what its configuration says, and the shapes of its tensors. */
import { join } from "node:path";
import { sha256File } from "../../base/hash.ts";
import { openSafetensors } from "../../files/safetensors.ts";
import { peftFiles, readPeftConfig } from "../../lora/peft-config.ts";
import { formatBytes, formatCount, plural } from "../format.ts";
import { printableLine } from "../printable.ts";
import { facts, type Inspection } from "./inspection.ts";
import { countParameters, describeDtypes, dtypesOf, tensorTable } from "./safetensors.ts";

export async function inspectPeft(directory: string): Promise<Inspection> {
  const { r: rank, lora_alpha: alpha, base_model_name_or_path: base, target_modules } = await readPeftConfig(directory);
  const weights = join(directory, peftFiles.weights);
  const file = await openSafetensors(weights);
  const targets = typeof target_modules === "string" ? [target_modules] : (target_modules ?? []);
  const listed = [...file.tensors.values()].map(({ name, dtype, shape, bytes }) => ({ name, dtype, shape, bytes }));
  const [parameters, dtypes, sha256] = [countParameters(listed), dtypesOf(listed), await sha256File(weights)];
  const config = { rank, alpha, base: base ?? null, targets };
  return {
    json: { kind: "peft", directory, ...config, bytes: file.fileBytes, sha256, parameters, dtypes, tensors: listed },
    lines: (colors) => [
      colors.bold(`${directory}: a PEFT adapter of rank ${rank}, ${plural(listed.length, "tensor")}`),
      "",
      ...facts([
        ["base model", printableLine(base ?? "not named")],
        ["strength", `alpha ${alpha} over rank ${rank}`],
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
