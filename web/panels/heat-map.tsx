/** @file Numbers of layers and experts as a picture: a row for each layer, a column for each expert. */

export type HeatMapProps = {
  /** (layers, experts) */
  readonly rows: readonly (readonly number[])[];
  /** What it shows, for those who do not see it. */
  readonly label: string;
  readonly caption: string;
  readonly describe: (value: number, layer: number, expert: number) => string;
};

export function HeatMap({ rows, label, caption, describe }: HeatMapProps) {
  const experts = Math.max(...rows.map((row) => row.length));
  const largest = Math.max(...rows.flat().map(Math.abs), 1e-9);
  const cell = (space: number, count: number): number => Math.max(4, Math.min(16, Math.floor(space / count)));
  const [width, height] = [cell(320, experts), cell(240, rows.length)];
  return (
    <figure>
      <svg
        class="gates"
        role="img"
        aria-label={label}
        style={{ maxWidth: `${2 * experts * width}px` }}
        viewBox={`0 0 ${experts * width} ${rows.length * height}`}
      >
        {rows.flatMap((row, layer) =>
          row.map((value, expert) => (
            <rect
              key={`${layer}/${expert}`}
              class={value < 0 ? "negative" : "positive"}
              x={expert * width}
              y={layer * height}
              width={width - 1}
              height={height - 1}
              fill-opacity={Math.abs(value) / largest}
            >
              <title>{`layer ${layer + 1}, expert ${expert + 1}: ${describe(value, layer, expert)}`}</title>
            </rect>
          )),
        )}
      </svg>
      <figcaption>{caption}</figcaption>
    </figure>
  );
}
