/** @file A specialisation explained: its gates as a heat map, and what it was made from. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { constraintBytes, type Specialization } from "../../pair/specialization.ts";
import { readSpecialization, specializationFileName } from "../../pair/specialization-file.ts";
import { describeSpec } from "../constraint-flags.ts";
import { formatBytes, plural } from "../format.ts";
import { heatMap } from "../heat-map.ts";
import type { Colors } from "../terminal.ts";
import { facts, type Inspection } from "./inspection.ts";
import { describeQuantization } from "./model.ts";

export async function inspectSpecialization(path: string): Promise<Inspection> {
  const specialization = await readSpecialization(path);
  const isFolder = (await stat(path)).isDirectory();
  const file = isFolder ? join(path, specializationFileName) : path;
  const { size: bytes } = await stat(file);
  return {
    json: { kind: "specialization", file, bytes, constraintBytes: constraintBytes(specialization), ...specialization },
    lines: (colors) => specializationLines(`${file}: a specialisation, ${formatBytes(bytes)}`, specialization, colors),
  };
}

/** @param title the first line */
export function specializationLines(title: string, specialization: Specialization, colors: Colors): string[] {
  const { layers, experts, topK, promptTokens, truncated, version, cloudQuantization } = specialization;
  return [
    colors.bold(title),
    "",
    ...heatMap(specialization.gates, colors),
    "",
    ...facts([
      ["gates", `${layers} layers × ${experts} experts, top ${topK}`],
      ["found", howFound(specialization)],
      [
        "prompt",
        `${plural(promptTokens, "token")}${truncated ? ", shortened to fit" : ""}${specialization.unlike ? "; unlike those that the generator was trained on" : ""}`,
      ],
      ["keyed prompt hash", specialization.promptHmac ?? "none: anonymous"],
      ...describeConstraint(specialization),
      ["cloud sha256", specialization.cloudSha256],
      ...(cloudQuantization === undefined
        ? []
        : [["cloud quantised", describeQuantization(cloudQuantization)] as const]),
      ["edge sha256", specialization.edgeSha256],
      ["generator sha256", specialization.generatorSha256],
      ["made by", `lora-gen ${version}`],
    ]),
  ];
}

/** "predicted from the prompt", "learnt from 12 examples, from what the prompt predicts on" */
export const howFound = ({ found }: Pick<Specialization, "found">): string =>
  found === undefined
    ? "predicted from the prompt"
    : `${found.way} from ${plural(found.examples, "example")}, from what the prompt predicts on`;

const describeConstraint = (specialization: Specialization): (readonly [string, string])[] =>
  specialization.constraint === undefined
    ? []
    : [
        [
          "constraint",
          `${describeSpec(specialization.constraint)}; ${formatBytes(constraintBytes(specialization))} of the file`,
        ],
      ];
