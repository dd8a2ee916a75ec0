/** @file What a specialisation costs and saves: time over the number of questions, and where the two lines meet. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Answer } from "../api.ts";
import type { Selected } from "../state.ts";

export type Costs = { readonly prompted: Answer; readonly specialized: Answer };
export type CostPanelProps = { readonly selected: Selected | undefined; readonly costs: Costs | undefined };

/** After how many questions the cloud pass is paid back; undefined: never. */
export function breakEven(cloudMs: number, promptedMs: number, specializedMs: number): number | undefined {
  return promptedMs > specializedMs ? Math.ceil(cloudMs / (promptedMs - specializedMs)) : undefined;
}

export function CostPanel({ selected, costs }: CostPanelProps) {
  const chart = useRef<HTMLDivElement>(null);
  const cloudMs = selected?.cloudMs;
  const even =
    costs === undefined || cloudMs === undefined
      ? undefined
      : breakEven(cloudMs, costs.prompted.ms, costs.specialized.ms);
  useEffect(() => {
    const element = chart.current;
    if (element === null || costs === undefined || cloudMs === undefined) return undefined;
    const most = Math.max(10, 2 * (even ?? 20));
    const questions = Array.from({ length: 41 }, (_, i) => (i * most) / 40);
    const color = getComputedStyle(element).color;
    const seconds = (from: number, each: number) => questions.map((count) => (from + count * each) / 1000);
    const axis = { stroke: color, grid: { stroke: "#8884" } };
    const plot = new uPlot(
      {
        width: Math.max(240, Math.min(560, element.clientWidth)),
        height: 220,
        scales: { x: { time: false } },
        axes: [
          { ...axis, label: "questions" },
          { ...axis, label: "seconds" },
        ],
        series: [
          { label: "questions" },
          { label: "prompted", stroke: "#d97706", width: 2 },
          { label: "specialised", stroke: "#2563eb", width: 2 },
        ],
      },
      [questions, seconds(0, costs.prompted.ms), seconds(cloudMs, costs.specialized.ms)],
      element,
    );
    return () => plot.destroy();
  }, [costs, cloudMs, even]);
  return (
    <section aria-labelledby="cost-title">
      <h2 id="cost-title">Costs</h2>
      {costs === undefined ? (
        <p>Ask a question of all three to see what the prompt costs.</p>
      ) : (
        <p id="costs">
          A question reads {costs.prompted.promptTokens} tokens with the prompt and {costs.specialized.promptTokens}{" "}
          without.{" "}
          {cloudMs === undefined
            ? "The cloud model did not read this prompt just now: specialise a new one to see when that is paid back."
            : even === undefined
              ? "This answer was no faster without the prompt."
              : `The cloud pass is paid back after ${even} ${even === 1 ? "question" : "questions"} like this one.`}
        </p>
      )}
      <div ref={chart} class="chart" />
    </section>
  );
}
