/** @file Several specialisations of one pair in one: weighted gates, and how much they get in each other's way. */
import { AppError } from "../base/errors.ts";
import { sha256 } from "../base/hash.ts";
import { version } from "../base/version.ts";
import type { GeneratorConfig } from "../generator/config.ts";
import { generations } from "../generator/generations.ts";
import { maxGate } from "./packed-gates.ts";
import type { Specialization } from "./specialization.ts";

export type CombinePart = {
  /** For messages and reports. */
  readonly name: string;
  readonly specialization: Specialization;
  /** Its gates are multiplied by it. */
  readonly weight: number;
};

/** The part of a pair that says whether its specialisations are gates. */
type GeneratedBy = { readonly shape: { readonly generator: Pick<GeneratorConfig, "generation"> } };

/**
 * Σ weight · gates, layer by layer; a constraint stays where no two parts have different ones. Experts of all parts stay, also beyond the K of each; what falls together adds up. For a pair that mixes
 * weight changes this is the weighted sum of the parts' changes; for one that mixes factors it is another mixture.
 * @throws E_CONFIG for a pair without a pool of experts; E_USAGE for fewer than two parts or weights that are 0 or no numbers; E_MISMATCH for parts
 * of different pairs, and where nothing is left
 */
export function combineSpecializations(pair: GeneratedBy, parts: readonly CombinePart[]): Specialization {
  if (!generations[pair.shape.generator.generation].areGates)
    throw new AppError(
      "E_CONFIG",
      "combine: expected a generator with a pool of experts, whose gates add up; this one (generation: direct) makes each LoRA from hidden states, whose sum means nothing",
    );
  if (parts.length < 2)
    throw new AppError("E_USAGE", `combine: expected at least two specialisations, found ${parts.length}`);
  for (const { name, weight } of parts)
    if (!Number.isFinite(weight) || weight === 0)
      throw new AppError("E_USAGE", `combine: ${name}: expected a number other than 0 as weight, found ${weight}`);
  requireOnePair(parts);
  const { layers, experts, cloudSha256, edgeSha256, generatorSha256 } = parts[0]!.specialization;
  const cloudQuantization = coarsest(parts);
  const gates = Array.from({ length: layers }, (_, layer) =>
    Array.from({ length: experts }, (_, expert) =>
      Math.fround(parts.reduce((sum, part) => sum + part.weight * part.specialization.gates[layer]![expert]!, 0)),
    ),
  );
  const used = gates.map((row) => row.filter((gate) => gate !== 0).length);
  const largest = Math.max(...gates.flat().map(Math.abs));
  if (Math.max(...used) === 0)
    throw new AppError("E_MISMATCH", "combine: nothing is left: the weighted gates cancel out");
  if (largest > maxGate) throw new AppError("E_LIMIT", `combine: a gate of ${largest}, the limit is ${maxGate}`);
  return {
    version,
    gates,
    topK: Math.max(...used),
    layers,
    experts,
    promptTokens: parts.reduce((sum, { specialization }) => sum + specialization.promptTokens, 0),
    truncated: parts.some(({ specialization }) => specialization.truncated),
    ...(parts.every(({ specialization }) => specialization.promptHmac !== undefined)
      ? { promptHmac: sha256(parts.map(recipe).join("")) }
      : {}),
    cloudSha256,
    edgeSha256,
    generatorSha256,
    ...(cloudQuantization === undefined ? {} : { cloudQuantization }),
    ...(parts.some(({ specialization }) => specialization.unlike) ? { unlike: true } : {}),
    ...sharedConstraint(parts),
  };
}

/** That of all parts that have one, where it is the same. */
function sharedConstraint(parts: readonly CombinePart[]): Pick<Specialization, "constraint"> {
  const [first, ...others] = parts.flatMap(({ specialization }) => specialization.constraint ?? []);
  const isShared = first !== undefined && others.every((other) => JSON.stringify(other) === JSON.stringify(first));
  return isShared ? { constraint: first } : {};
}

type CloudQuantization = NonNullable<Specialization["cloudQuantization"]>;

/** What tells a part from others: its weight, its prompt, and how the cloud model was held that read it. */
function recipe({ weight, specialization: { promptHmac, cloudQuantization: held } }: CombinePart): string {
  const cloud = held === undefined ? "" : ` ${held.bits} ${held.blockSize} ${held.symmetric} ${held.tableBlockSize}`;
  return `${weight} ${promptHmac}${cloud}\n`;
}

/** Of those that are, the one of the fewest bits, the largest blocks and no zero points. */
function coarsest(parts: readonly CombinePart[]): CloudQuantization | undefined {
  const fineness = ({ bits, blockSize, symmetric, tableBlockSize }: CloudQuantization) =>
    bits - blockSize / 1024 - (symmetric ? 1e-3 : 0) - tableBlockSize / 1e6;
  return parts
    .flatMap(({ specialization: { cloudQuantization } }) => cloudQuantization ?? [])
    .sort((a, b) => fineness(a) - fineness(b))[0];
}

function requireOnePair(parts: readonly CombinePart[]): void {
  const [first, ...others] = parts as [CombinePart, ...CombinePart[]];
  const identity = ({ specialization }: CombinePart) =>
    [specialization.edgeSha256, specialization.generatorSha256, specialization.cloudSha256].join(" ");
  for (const other of others)
    if (identity(other) !== identity(first))
      throw new AppError("E_MISMATCH", `combine: ${other.name} was made for another pair than ${first.name}`);
}

/** How two parts share the experts. */
export type Interference = {
  readonly a: string;
  readonly b: string;
  /** Per layer: experts that both use. */
  readonly inCommon: readonly number[];
  /** Per layer: Σ min(|a|, |b|) / Σ max(|a|, |b|) of the weighted gates: 0 where they share none, 1 where they are the same. */
  readonly overlap: readonly number[];
  readonly meanOverlap: number;
};

/** Every pair of parts. */
export function interference(parts: readonly CombinePart[]): Interference[] {
  return parts.flatMap((a, i) => parts.slice(i + 1).map((b) => compareGates(a, b)));
}

function compareGates(a: CombinePart, b: CombinePart): Interference {
  const rows = a.specialization.gates.map((row, layer) =>
    row.map((gate, expert) => {
      const other = b.specialization.gates[layer]![expert]! * b.weight;
      return [Math.abs(gate * a.weight), Math.abs(other)] as const;
    }),
  );
  const overlap = rows.map((row) => {
    const most = row.reduce((sum, [x, y]) => sum + Math.max(x, y), 0);
    return most === 0 ? 0 : row.reduce((sum, [x, y]) => sum + Math.min(x, y), 0) / most;
  });
  return {
    a: a.name,
    b: b.name,
    inCommon: rows.map((row) => row.filter(([x, y]) => x > 0 && y > 0).length),
    overlap,
    meanOverlap: overlap.reduce((sum, value) => sum + value, 0) / overlap.length,
  };
}
