/** @file `loragen combine`: several specialisations of one pair in one, and how they get in each other's way. */
import { basename, dirname, resolve } from "node:path";
import { type Command, Option } from "commander";
import { type CombinePart, combineSpecializations, type Interference, interference } from "../../pair/combine.ts";
import { type CombineEffect, measureCombination } from "../../pair/combine-effect.ts";
import { loadPair } from "../../pair/pair-file.ts";
import { readSpecialization, specializationFileName } from "../../pair/specialization-file.ts";
import type { CliContext } from "../context.ts";
import { formatBytes, formatShare, plural } from "../format.ts";
import { compactHeatMap } from "../heat-map.ts";
import { jsonOption, pairOption, required } from "../options.ts";
import { type JsonFlag, printResult } from "../output.ts";
import { replaceSpecialization, requireReplaceable, specializationOutOption } from "../replace-specialization.ts";
import { formatTable } from "../table.ts";
import { parseWeighted, type Weighted } from "../weighted-path.ts";

type Flags = JsonFlag & { readonly pair: string; readonly out?: string; readonly input?: readonly string[] };

const examples = `
Each specialisation is given with the weight of its gates; without one it counts fully. Experts of all of them stay in
use, also where they are more than the generator keeps for one prompt.

Examples:
  $ loragen combine formal:0.7 short:0.3 --out formal-and-short
  $ loragen combine formal:1 short:1 --input "is my table free" --input "cancel it" --out both --json`;

export function addCombine(program: Command, context: CliContext): void {
  program
    .command("combine")
    .summary("weighted combination of several specialisations of one pair")
    .description("Writes one specialisation whose gates are the weighted sum, and reports how the parts interfere.")
    .argument("<parts...>", "PATH:WEIGHT of each specialisation", parseWeighted)
    .addOption(specializationOutOption())
    .addOption(
      new Option(
        "--input <text>",
        "an input to compare each part's answers on, alone and combined; may be repeated",
      ).argParser((text, before: readonly string[] | undefined) => [...(before ?? []), text]),
    )
    .addOption(pairOption())
    .addOption(jsonOption())
    .addHelpText("after", examples)
    .action((parts: readonly Weighted[], flags: Flags) => combineCommand(context, parts, flags));
}

/** What the user calls it: its folder, or the file's name where the folder does not say. */
export function partName(path: string): string {
  const full = resolve(path);
  const name = basename(full);
  return name === specializationFileName ? basename(dirname(full)) : name;
}

async function combineCommand(context: CliContext, given: readonly Weighted[], flags: Flags): Promise<void> {
  const out = required(flags.out, "combine", "--out DIR");
  await requireReplaceable(out);
  for (const { path } of given) await readSpecialization(path); // a mistyped path is told at once
  const pair = await loadPair(flags.pair, { resolveModel: context.resolveModel });
  const parts: CombinePart[] = [];
  for (const { path, weight } of given)
    parts.push({ name: partName(path), weight, specialization: await readSpecialization(path, pair) });
  const combined = combineSpecializations(pair, parts);
  const interferences = interference(parts);
  const effects = flags.input === undefined ? [] : await measureCombination(pair, combined, parts, flags.input);
  const { file, bytes } = await replaceSpecialization(context, out, combined);
  const { gates, topK, layers, experts } = combined;
  const weights = parts.map(({ name, weight }) => ({ name, weight }));
  const result = { file, bytes, parts: weights, gates, topK, layers, experts, interference: interferences, effects };
  printResult(context, flags, result, () =>
    [
      `${context.colors.bold(file)}: ${formatBytes(bytes)}`,
      "",
      `gates    up to ${plural(topK, "expert")} a layer (the generator keeps ${pair.shape.generator.topK} for one prompt), a column for each layer`,
      ...compactHeatMap(gates, context.colors).map((line) => `  ${line}`),
      ...interferences.map(describeInterference),
      ...(effects.length === 0 ? [] : ["", effectTable(effects)]),
      "",
      `next     loragen run --specialization ${out} --input "…"`,
    ].join("\n"),
  );
}

const describeInterference = ({ a, b, inCommon, meanOverlap }: Interference): string =>
  `${a} and ${b}: ${inCommon.join(", ")} experts in common, layer by layer; overlap of gates ${formatShare(meanOverlap)}`;

const effectTable = (effects: readonly CombineEffect[]): string =>
  formatTable(
    [
      { title: "alone → combined" },
      { title: "input", maxWidth: 40 },
      { title: "logits move", align: "right" },
      { title: "KL", align: "right" },
      { title: "first token" },
    ],
    effects.flatMap(({ name, inputs }) =>
      inputs.map(({ input, largestChange, divergence, sameToken }) => [
        name,
        input,
        largestChange.toPrecision(3),
        divergence.toPrecision(2),
        sameToken ? "same" : "other",
      ]),
    ),
  );
