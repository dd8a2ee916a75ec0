/** @file A search from few examples as a picture: how right it was, by what it chose, what it mixed, over its generations. */
import { type Panel, renderChart } from "./chart.ts";
import type { SearchHistory } from "./search-history.ts";

/** A self-contained SVG document. */
export const renderSearchChart = (history: SearchHistory, { title }: { readonly title: string }): string =>
  renderChart(searchPanels(history), { title, lastStep: history.points.at(-1)!.at });

/** What is drawn, from top to bottom. */
export function searchPanels({ of, examples, skills = [], beside, points, counts }: SearchHistory): Panel[] {
  type Point = (typeof points)[number];
  const line = (value: (point: Point) => number | undefined) =>
    points.flatMap((point) => {
      const found = value(point);
      return found === undefined ? [] : [[point.at, found] as const];
    });
  const ends = [points[0]!.at, points.at(-1)!.at];
  const [best, mean] = [line((point) => point.best), line((point) => point.mean)];
  return [
    {
      title: `Share of ${examples} ${of === "gates" ? "examples set aside" : "examples"} that is right, by ${counts}`,
      height: 260,
      fromZero: true,
      lines: [
        { name: of === "gates" ? "tried" : "best so far", points: line(({ accuracy }) => accuracy), dots: true },
        ...Object.entries(beside).map(([name, accuracy]) => ({
          name,
          points: ends.map((at) => [at, accuracy] as const),
          faint: true,
        })),
      ],
    },
    ...(best.length === 0
      ? []
      : [
          {
            title: "What mixtures are compared by: the share that is right, and between equals their likelihood",
            height: 180,
            lines: [
              { name: "best", points: best },
              { name: "mean", points: mean },
            ],
          },
        ]),
    ...(skills.length === 0
      ? []
      : [
          {
            title: "Share of each skill, mean over layers",
            height: 220,
            fromZero: true,
            lines: skills.map((name, skill) => ({ name, points: line(({ shares }) => shares?.[skill]) })),
          },
        ]),
  ];
}
