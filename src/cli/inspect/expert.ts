/** @file An expert of Transformer² explained: which layers and maps it moves, and how far. */
import { stat } from "node:fs/promises";
import { z } from "zod";
import { sha256File } from "../../base/hash-file.ts";
import { parseJson } from "../../base/json.ts";
import { expertSize } from "../../svf/expert.ts";
import { expertFile, readExpert } from "../../svf/expert-file.ts";
import { formatBytes, formatCount, plural } from "../format.ts";
import { heatMap } from "../heat-map.ts";
import { printableLine } from "../printable.ts";
import { facts, type Inspection } from "./inspection.ts";

export async function inspectExpert(path: string): Promise<Inspection> {
  const file = await expertFile(path);
  const expert = await readExpert(file);
  const { size: bytes } = await stat(file);
  const moved = [...expert.scales].map(([weight, z]) => ({ weight, ...momentsOf(z) }));
  const sha256 = await sha256File(file);
  const { modelSha256, renormalize, madeBy } = expert;
  const factors = expertSize(expert);
  const shares = sharesOf(madeBy);
  return {
    json: { kind: "expert", file, bytes, sha256, modelSha256, renormalize, factors, madeBy, maps: moved },
    lines: (colors) => [
      colors.bold(`${file}: a skill of Transformer², ${formatBytes(bytes)}`),
      "",
      ...facts([
        ["factors", `${formatCount(factors)} of ${plural(moved.length, "map")}${renormalize ? ", renormalised" : ""}`],
        ...Object.entries(madeBy)
          .filter(([key]) => shares === undefined || key !== "shares")
          .map(([key, value]) => [key, printableLine(value)] as const),
        ["model sha256", modelSha256],
        ["sha256", sha256],
      ]),
      "",
      ...(shares === undefined
        ? []
        : ["shares of its skills, layer by layer where they differ", ...heatMap(shares, colors), ""]),
      ...pictureOf(moved).flatMap(({ names, rows }) => [
        `how far factors are from their mean, as a share of the furthest: ${names.join(", ")}`,
        ...heatMap(rows, colors),
      ]),
    ],
  };
}

const Shares = z.array(z.array(z.number()).min(1).max(64)).min(1).max(1024);

/** How much of each skill a mixture has, by layers or once for all; undefined where it does not say so. */
function sharesOf({ shares }: Readonly<Record<string, string>>): z.infer<typeof Shares> | undefined {
  if (shares === undefined) return undefined;
  try {
    return Shares.parse(parseJson(shares, { what: "shares", maxBytes: 2 ** 20 }));
  } catch {
    return undefined; // shown as it stands
  }
}

type Moved = { readonly weight: string; readonly mean: number; readonly spread: number; readonly largest: number };

/** Mean of the factors, their standard deviation, and the largest distance from the mean. */
function momentsOf(z: Float32Array): Omit<Moved, "weight"> {
  const mean = z.reduce((sum, value) => sum + value, 0) / z.length;
  const variance = z.reduce((sum, value) => sum + (value - mean) ** 2, 0) / z.length;
  return { mean, spread: Math.sqrt(variance), largest: z.reduce((most, v) => Math.max(most, Math.abs(v - mean)), 0) };
}

/** A row for each layer, a cell for each kind of map; nothing where a name has no layer. */
function pictureOf(moved: readonly Moved[]): { names: string[]; rows: number[][] }[] {
  const placed = moved.map(({ weight, spread }) => ({ place: /^(.*?\.)(\d+)\.(.*)\.weight$/.exec(weight), spread }));
  if (placed.some(({ place }) => place === null)) return [];
  const names = [...new Set(placed.map(({ place }) => place![3]!))];
  const layers = Math.max(...placed.map(({ place }) => Number(place![2]))) + 1;
  if (layers > maxDrawn.layers || names.length > maxDrawn.maps) return [];
  const most = Math.max(...moved.map(({ spread }) => spread)) || 1;
  const rows = Array.from({ length: layers }, () => names.map(() => 0));
  for (const { place, spread } of placed) rows[Number(place![2])]![names.indexOf(place![3]!)] = spread / most;
  return [{ names: names.map((name) => printableLine(name)), rows }];
}

/** More than models have. */
const maxDrawn = { layers: 1024, maps: 64 } as const;
