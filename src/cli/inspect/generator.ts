/** @file A generator directory explained: its configuration, and where its parameters lie. */
import { join } from "node:path";
import { sha256File } from "../../base/hash-file.ts";
import { openSafetensors } from "../../files/safetensors.ts";
import type { GeneratorConfig } from "../../generator/config.ts";
import type { Model } from "../../models/model.ts";
import { scalesOf } from "../../pair/generator.ts";
import { readGeneratorConfig } from "../../pair/generator-file.ts";
import { type KnownPrompts, knownPromptsName, requireStatesOf, whyStale } from "../../pair/known-prompts.ts";
import { readKnownPrompts } from "../../pair/known-prompts-file.ts";
import { formatBytes, formatCount, percent, plural } from "../format.ts";
import { facts, type Inspection } from "./inspection.ts";
import { countParameters, describeDtypes, dtypesOf } from "./safetensors.ts";

export type GeneratorSummary = {
  readonly directory: string;
  readonly config: GeneratorConfig;
  readonly parameters: number;
  /** By what they belong to: meta tokens, cloud LoRA, router, experts. */
  readonly parts: Readonly<Record<string, number>>;
  readonly bytes: number;
  readonly dtypes: Readonly<Record<string, number>>;
  readonly sha256: string;
  /** Which prompts it knows, where that was measured. */
  readonly known: (Measured & { readonly stale: string | null }) | null;
};

type Measured = Pick<KnownPrompts, "layer" | "prompts" | "validationPrompts" | "beyond" | "threshold">;

export async function inspectGenerator(directory: string): Promise<Inspection> {
  const summary = await summarizeGenerator(directory);
  return {
    json: { kind: "generator", ...summary },
    lines: (colors) => [
      colors.bold(`${directory}: a generator of ${formatCount(summary.parameters)} parameters`),
      "",
      ...facts(generatorFacts(summary)),
    ],
  };
}

/** Reads the configuration and the header of the weights; whether they fit a pair is the pair's question. `cloud` is known in a pair. */
export async function summarizeGenerator(directory: string, cloud?: Model): Promise<GeneratorSummary> {
  const config = await readGeneratorConfig(directory);
  const path = join(directory, "model.safetensors");
  const file = await openSafetensors(path);
  const all = [...file.tensors.values()];
  const scales = new Set(all.filter(({ dtype }) => dtype === "I8").map(({ name }) => scalesOf(name)));
  const tensors = all.filter(({ name }) => !scales.has(name));
  const sha256 = await sha256File(path);
  const parts: Record<string, number> = {};
  for (const tensor of tensors) {
    const part = tensor.name.split(".")[0]!;
    parts[part] = (parts[part] ?? 0) + countParameters([tensor]);
  }
  return {
    directory,
    config,
    parameters: countParameters(tensors),
    parts,
    bytes: file.fileBytes,
    dtypes: dtypesOf(tensors),
    sha256,
    known: await summarizeKnown(directory, sha256, cloud),
  };
}

async function summarizeKnown(
  directory: string,
  generatorSha256: string,
  cloud: Model | undefined,
): Promise<GeneratorSummary["known"]> {
  const known = await readKnownPrompts(directory);
  if (known === undefined) return null;
  const { layer, prompts, validationPrompts, beyond, threshold } = known;
  const stale = whyStale(known, { generatorSha256, cloudSha256: cloud?.sha256 }) ?? null;
  if (stale === null && cloud !== undefined) requireStatesOf(join(directory, knownPromptsName), known, cloud);
  return { layer, prompts, validationPrompts, beyond, threshold, stale };
}

/** "400 prompts of its training, at layer 15; farther than 1.31 is warned of: 2 % of 250 others" */
export const describeKnown = ({ layer, prompts, validationPrompts, beyond, threshold }: Measured): string =>
  `${plural(prompts, "prompt")} of its training, at layer ${layer}; specialize warns of one farther away than ${threshold.toFixed(2)}, as ${percent(beyond)} % of ${validationPrompts} others of the same kinds are`;

export function generatorFacts({ config, parts, bytes, dtypes, sha256, known }: GeneratorSummary): [string, string][] {
  const pool = config.poolScope === "shared" ? "one pool for all layers" : "a pool per layer";
  const kind =
    config.generation === "svf"
      ? `${config.experts} of factors of the ${config.rank} largest singular values of ${config.targets.join(", ")}`
      : `${config.experts} of rank ${config.rank} on ${config.targets.join(", ")}; ${pool}`;
  return [
    ["experts", kind],
    ["gates", describeGates(config)],
    ...(config.cloudLayers === null
      ? []
      : [["cloud layers", `the first ${config.cloudLayers}`] satisfies [string, string]]),
    ["cloud LoRA", `rank ${config.cloudRank} on ${config.cloudTargets.join(", ") || "nothing"}`],
    [
      "parameters",
      Object.entries(parts)
        .map(([part, count]) => `${part} ${formatCount(count)}`)
        .join(", "),
    ],
    ["weights", `${formatBytes(bytes)}, ${describeDtypes(dtypes)}`],
    ["sha256", sha256],
    ...(known === null
      ? []
      : [
          [
            "knows",
            known.stale === null ? describeKnown(known) : `${knownPromptsName} is stale: ${known.stale}`,
          ] satisfies [string, string],
        ]),
  ];
}

function describeGates({ strategy, topK, compose }: GeneratorConfig): string {
  const names = { dense: "dense", linear: "signed coefficients" } as const;
  const which =
    strategy === "dense" || strategy === "linear" ? names[strategy] : `the ${topK} strongest per layer (${strategy})`;
  return compose === "factorsApart" ? `${which}, of A and of B apart` : which;
}
