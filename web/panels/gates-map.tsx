/** @file A specialisation's gates as a picture: a row for each layer, a column for each expert. */
import type { Content } from "../api.ts";

export function GatesMap({ gates, experts }: Pick<Content, "gates" | "experts">) {
  const largest = Math.max(...gates.flat().map(Math.abs), 1e-9);
  const cell = (space: number, count: number): number => Math.max(4, Math.min(16, Math.floor(space / count)));
  const [width, height] = [cell(320, experts), cell(240, gates.length)];
  const shares = Array.from({ length: experts }, (_, expert) =>
    gates.reduce((sum, row) => sum + Math.abs(row[expert] ?? 0), 0),
  );
  const most = shares.indexOf(Math.max(...shares));
  return (
    <figure>
      <svg
        class="gates"
        role="img"
        aria-label={`Gates of ${gates.length} layers over ${experts} experts; expert ${most + 1} is used most.`}
        style={{ maxWidth: `${2 * experts * width}px` }}
        viewBox={`0 0 ${experts * width} ${gates.length * height}`}
      >
        {gates.flatMap((row, layer) =>
          row.map((gate, expert) => (
            <rect
              key={`${layer}/${expert}`}
              class={gate < 0 ? "negative" : "positive"}
              x={expert * width}
              y={layer * height}
              width={width - 1}
              height={height - 1}
              fill-opacity={Math.abs(gate) / largest}
            >
              <title>{`layer ${layer + 1}, expert ${expert + 1}: ${gate.toFixed(3)}`}</title>
            </rect>
          )),
        )}
      </svg>
      <figcaption>Gates: layers from top to bottom, experts from left to right.</figcaption>
    </figure>
  );
}
