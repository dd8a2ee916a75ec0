/** @file A training run as a picture: loss, what rewards say, learning rate, expert load and speed over the steps. */
import { type Panel, type Points, renderChart } from "./chart.ts";
import type { RewardMetric, RewardMetrics, RunLog } from "./run-log.ts";

/** A self-contained SVG document. */
export const renderRunChart = (log: RunLog, { title }: { readonly title: string }): string =>
  renderChart(panelsOf(log), { title, lastStep: lastStep(log) });

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
    ...rewardPanels.flatMap(({ key, title, smoothed = false }): Panel[] => {
      const points = pointsOf(training, key);
      const validated = pointsOf(validation, key);
      if (points.length + validated.length === 0) return [];
      const lines = smoothed
        ? [
            { name: "training", points, color: "#9db7d5", faint: true },
            { name: "training, smoothed", points: smooth(points), color: "#2a6099" },
          ]
        : [{ name: "training", points, color: "#2a6099" }];
      return [
        {
          title,
          height: 150,
          lines: [...lines, { name: "validation", points: validated, dots: true, color: "#d1495b" }],
        },
      ];
    }),
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

/** What a run by rewards logs beside its loss. */
const rewardPanels: readonly { readonly key: RewardMetric; readonly title: string; readonly smoothed?: boolean }[] = [
  { key: "reward", title: "Reward", smoothed: true },
  { key: "solved", title: "Share solved", smoothed: true },
  { key: "kl", title: "Divergence from the base model, a token" },
  { key: "length", title: "Tokens an answer" },
];

const pointsOf = (entries: readonly (RewardMetrics & { readonly step: number })[], key: RewardMetric): Points =>
  entries.flatMap((entry) => (entry[key] === undefined ? [] : [[entry.step, entry[key]] as const]));
