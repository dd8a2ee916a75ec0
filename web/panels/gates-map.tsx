/** @file A specialisation's gates as a picture. */
import type { Content } from "../api.ts";
import { HeatMap } from "./heat-map.tsx";

export function GatesMap({ gates, experts }: Pick<Content, "gates" | "experts">) {
  const shares = Array.from({ length: experts }, (_, expert) =>
    gates.reduce((sum, row) => sum + Math.abs(row[expert] ?? 0), 0),
  );
  const most = shares.indexOf(Math.max(...shares));
  return (
    <HeatMap
      rows={gates}
      label={`Gates of ${gates.length} layers over ${experts} experts; expert ${most + 1} is used most.`}
      caption="Gates: layers from top to bottom, experts from left to right."
      describe={(gate) => gate.toFixed(3)}
    />
  );
}
