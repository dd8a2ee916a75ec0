/** @file What decoding beside llama.cpp came to over all shapes: a line for each way of holding weights. */
import { type Decoding, type DecodingName, decodings, rowOf } from "./decodings.ts";
import { markdownTable } from "./markdown.ts";
import type { Row } from "./rows.ts";

const steps = ["prefill", "decode"] as const;
type Step = (typeof steps)[number];

const ratio = (row: Row, step: Step, part: "" | ", low" | ", high" = ""): number | undefined =>
  row.values[`${step}, ours / llama.cpp${part}`];

/** Least and most of a step's ratio over shapes. */
function range(rows: readonly Row[], step: Step): string {
  const ratios = rows.map((row) => ratio(row, step)!);
  return `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
}

/** Of how many shapes the interval of a step's ratio lies below 1, has 1 in it, and lies above 1. */
function places(rows: readonly Row[], step: Step): string {
  const counts = [0, 0, 0];
  for (const row of rows) {
    const [low, high] = [ratio(row, step, ", low"), ratio(row, step, ", high")];
    if (low !== undefined && high !== undefined) counts[high < 1 ? 0 : low > 1 ? 2 : 1]! += 1;
  }
  return counts.join(", ");
}

/** A Markdown table; empty where nothing was measured beside llama.cpp. */
export function besideLlamaCpp(rows: readonly Row[]): string {
  const found = Object.entries<Decoding>(decodings).flatMap(([name, { stored, peer }]) => {
    const own = rows.filter(
      (row) => row.measurement === rowOf(name as DecodingName) && ratio(row, "decode") !== undefined,
    );
    if (peer === undefined || own.length === 0) return [];
    const { ours, theirs } = peer.bits;
    const ratios = steps.flatMap((step) => [range(own, step), places(own, step)]);
    return [[stored, peer.type, `${ours}, ${theirs}`, String(own.length), ...ratios]];
  });
  if (found.length === 0) return "";
  const titles = steps.flatMap((step) => [step, "below, about, above 1"]);
  return markdownTable(["ours", "llama.cpp", "bits", "shapes", ...titles], found, (_, column) => column < 3);
}
