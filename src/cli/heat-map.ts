/** @file Gates, or shares of skills, as a picture for the terminal: layers by experts, or in few lines experts by layers. */
import type { Colors } from "./terminal.ts";

const shades = ["░", "▒", "▓", "█"] as const;

/** More experts than this do not fit beside each other: only those in use are named. */
const maxCells = 32;
/** Experts named in a row. */
const maxNamed = 4;

/** Lines: a header with the experts' numbers, then one line per layer, or what else a row is, its strongest experts named behind. */
export function heatMap(gates: readonly (readonly number[])[], colors: Colors, row = "layer"): string[] {
  const experts = gates[0]?.length ?? 0;
  const isDrawn = experts <= maxCells;
  const width = String(gates.length - 1).length;
  const numbers = Array.from({ length: experts }, (_, expert) => ` ${String(expert).padStart(2)}`);
  const header = isDrawn ? [" ".repeat(row.length + 1 + width) + numbers.join("")] : [];
  const rows = gates.map((cellsOf, at) => {
    const cells = isDrawn ? cellsOf.map((gate) => ` ${paint(gate, colors)}`).join("") : "";
    return `${row} ${String(at).padStart(width)}${cells}   ${colors.dim(strongest(cellsOf))}`;
  });
  return [...header, ...rows];
}

/** The same in few lines: a row per expert, a narrow cell per layer. Of more experts than fit, a line per layer names the strongest. */
export function compactHeatMap(gates: readonly (readonly number[])[], colors: Colors): string[] {
  const experts = gates[0]?.length ?? 0;
  if (experts > maxCells) return heatMap(gates, colors);
  const width = String(experts - 1).length;
  return Array.from({ length: experts }, (_, expert) => {
    const cells = gates.map((layer) => paint(layer[expert]!, colors, 1)).join("");
    return `expert ${String(expert).padStart(width)} ${cells}`;
  });
}

function paint(gate: number, colors: Colors, width = 2): string {
  if (gate === 0) return colors.dim("·".padStart(width));
  const strength = Math.min(1, Math.abs(gate));
  const level = Math.min(shades.length - 1, Math.floor(strength * shades.length));
  const byLevel = [colors.blue, colors.cyan, colors.yellow, colors.red] as const;
  return byLevel[level]!(shades[level]!.repeat(width));
}

function strongest(row: readonly number[]): string {
  const used = row.map((gate, expert) => ({ gate, expert })).filter(({ gate }) => gate !== 0);
  used.sort((a, b) => Math.abs(b.gate) - Math.abs(a.gate));
  const named = used.slice(0, maxNamed).map(({ gate, expert }) => `${expert}: ${gate.toFixed(2)}`);
  if (used.length > maxNamed) named.push(`and ${used.length - maxNamed} more`);
  return named.join("  ");
}
