/** @file Lines over steps as a picture: panels one below the other, one SVG. */
import { LineChart, type LineSeriesOption } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import { type EChartsCoreOption, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

export type Points = readonly (readonly [step: number, value: number])[];
export type Line = {
  readonly name: string;
  readonly points: Points;
  readonly dots?: boolean;
  readonly color?: string;
  readonly faint?: boolean;
};
export type Panel = {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly height: number;
  readonly fromZero?: boolean;
};

const layout = { width: 960, left: 72, right: 28, top: 56, panelGap: 76 } as const;
/** More lines than this are not named. */
const maxNamed = 16;
const palette = ["#2a6099", "#d1495b", "#3c8d5a", "#e39b3b", "#7b5ea7", "#2b9c9c", "#a65e2e", "#6c757d"] as const;

/** A self-contained SVG document. @param lastStep where the axis of all panels ends */
export function renderChart(
  panels: readonly Panel[],
  { title, lastStep }: { readonly title: string; readonly lastStep: number },
): string {
  use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);
  const height = layout.top + panels.reduce((sum, panel) => sum + panel.height + layout.panelGap, 0);
  const chart = init(null, null, { renderer: "svg", ssr: true, width: layout.width, height });
  try {
    chart.setOption(chartOption(panels, title, lastStep));
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}

function chartOption(panels: readonly Panel[], title: string, lastStep: number): EChartsCoreOption {
  let top: number = layout.top;
  const tops = panels.map(({ height }) => {
    const at = top + 36;
    top += height + layout.panelGap;
    return at;
  });
  const series = panels.flatMap(({ lines }, panel): LineSeriesOption[] =>
    lines.map(({ name, points, dots = false, color, faint = false }, i) => ({
      type: "line",
      name,
      xAxisIndex: panel,
      yAxisIndex: panel,
      data: points.map(([step, value]) => [step, value]),
      showSymbol: dots,
      symbolSize: 6,
      sampling: "lttb", // more points than pixels are thinned out
      lineStyle: { width: faint ? 1 : 1.6 },
      itemStyle: { color: color ?? palette[i % palette.length]! },
    })),
  );
  return {
    animation: false,
    backgroundColor: "#ffffff",
    title: [
      { text: title, left: layout.left, top: 14, textStyle: { fontSize: 17 } },
      ...panels.map(({ title: text }, i) => ({
        text,
        left: layout.left,
        top: tops[i]! - 30,
        textStyle: { fontSize: 13, fontWeight: "normal" },
      })),
    ],
    legend: panels
      .map(({ lines }, i) => ({ lines, top: tops[i]! - 30 }))
      .filter(({ lines }) => lines.length > 1 && lines.length <= maxNamed)
      .map(({ lines, top }) => ({
        data: lines.map(({ name }) => name),
        top,
        right: layout.right,
        itemWidth: 14,
        textStyle: { fontSize: 11 },
      })),
    grid: panels.map(({ height }, i) => ({ top: tops[i], height, left: layout.left, right: layout.right })),
    xAxis: panels.map((_, i) => ({ type: "value", gridIndex: i, min: 0, max: lastStep, splitLine: { show: false } })),
    yAxis: panels.map(({ fromZero = false }, i) => ({ type: "value", gridIndex: i, scale: !fromZero })),
    series,
  };
}
