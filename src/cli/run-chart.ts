/** @file A training run as a picture: loss, learning rate, expert load and speed over the steps, one SVG. */
import { LineChart, type LineSeriesOption } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import { type EChartsCoreOption, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import type { RunLog } from "./run-log.ts";

type Points = readonly (readonly [step: number, value: number])[];
type Line = {
  readonly name: string;
  readonly points: Points;
  readonly dots?: boolean;
  readonly color?: string;
  readonly faint?: boolean;
};
type Panel = {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly height: number;
  readonly fromZero?: boolean;
};

const layout = { width: 960, left: 72, right: 28, top: 56, panelGap: 76 } as const;
/** More lines than this are not named. */
const maxNamed = 16;
const palette = ["#2a6099", "#d1495b", "#3c8d5a", "#e39b3b", "#7b5ea7", "#2b9c9c", "#a65e2e", "#6c757d"] as const;

/** A self-contained SVG document. */
export function renderRunChart(log: RunLog, { title }: { readonly title: string }): string {
  use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);
  const panels = panelsOf(log);
  const height = layout.top + panels.reduce((sum, panel) => sum + panel.height + layout.panelGap, 0);
  const chart = init(null, null, { renderer: "svg", ssr: true, width: layout.width, height });
  try {
    chart.setOption(chartOption(panels, title, lastStep(log)));
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}

/** What is drawn, from top to bottom. */
export function panelsOf({ training, validation }: RunLog): Panel[] {
  const line = (value: (point: RunLog["training"][number]) => number): Points =>
    training.map((point) => [point.step, value(point)]);
  const loss = line(({ loss }) => loss);
  const experts = training.find(({ expertShares }) => expertShares !== undefined)?.expertShares?.length ?? 0;
  const loads = Array.from({ length: experts }, (_, expert) => ({
    name: `expert ${expert}`,
    points: line(({ expertShares }) => expertShares?.[expert] ?? 0),
  }));
  return [
    {
      title: "Loss",
      height: 300,
      lines: [
        { name: "training", points: loss, color: "#9db7d5", faint: true },
        { name: "training, smoothed", points: smooth(loss), color: "#2a6099" },
        {
          name: "validation",
          points: validation.map(({ step, loss }) => [step, loss] as const),
          dots: true,
          color: "#d1495b",
        },
      ],
    },
    {
      title: "Learning rate",
      height: 110,
      lines: [{ name: "rate", points: line((point) => point.learningRate) }],
      fromZero: true,
    },
    ...(experts === 0
      ? []
      : [{ title: "Expert load (share of the gates)", height: 180, lines: loads, fromZero: true }]),
    {
      title: "Tokens per second",
      height: 110,
      lines: [{ name: "tokens/s", points: line((point) => point.tokensPerSecond) }],
      fromZero: true,
    },
  ];
}

const lastStep = ({ training, validation }: RunLog): number =>
  Math.max(training.at(-1)?.step ?? 0, validation.at(-1)?.step ?? 0);

/** The mean of the points around each, a sixtieth of all to either side. */
function smooth(points: Points): Points {
  const reach = Math.floor(points.length / 60);
  const sums = [0];
  for (const [, value] of points) sums.push(sums.at(-1)! + value);
  return points.map(([step], i) => {
    const [from, to] = [Math.max(0, i - reach), Math.min(points.length, i + reach + 1)];
    return [step, (sums[to]! - sums[from]!) / (to - from)] as const;
  });
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
