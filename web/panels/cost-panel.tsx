/** @file What a specialisation costs and saves: tokens and time of a question, the cloud pass, and after how many questions that is paid back. */
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { ShownCertificate } from "../api.ts";
import { cloudMsOf } from "../kept.ts";
import { askers, breakEven, type Costs, certifiedCosts, meanCosts, type Question } from "../ledger.ts";
import { countOf, type Selected } from "../state.ts";

export type CostPanelProps = {
  readonly selected: Selected | undefined;
  /** That were asked of this version, beside this prompt. */
  readonly questions: readonly Question[];
  readonly certificate: ShownCertificate | undefined;
};

type Source = {
  readonly id: "asked" | "certified";
  /** How it begins a sentence. */
  readonly by: string;
  readonly title: string;
  readonly costs: Costs;
};

const names = { base: "base", prompted: "prompted", specialized: "specialised" } as const;

export function CostPanel({ selected, questions, certificate }: CostPanelProps) {
  const cloudMs = selected && cloudMsOf(selected.object);
  const asked = meanCosts(questions);
  const sources: Source[] = [
    ...(asked === undefined
      ? []
      : [
          {
            id: "asked" as const,
            by: "By the questions asked here",
            title: `asked here, mean of ${asked.questions}`,
            costs: asked,
          },
        ]),
    ...(certificate === undefined
      ? []
      : [
          {
            id: "certified" as const,
            by: "By the certificate",
            title: `certificate of ${countOf(certificate.inputs, "input")}`,
            costs: certifiedCosts(certificate),
          },
        ]),
  ];
  const drawn = sources.flatMap(({ costs: { costs } }) => {
    const [prompted, specialized] = [costs.prompted?.ms ?? undefined, costs.specialized?.ms ?? undefined];
    return prompted === undefined || specialized === undefined ? [] : [{ prompted, specialized }];
  })[0];
  return (
    <section aria-labelledby="cost-title">
      <h2 id="cost-title">Costs</h2>
      {selected === undefined || sources.length === 0 ? (
        <p>Ask a question of all three, or measure a certificate, to see what the prompt costs.</p>
      ) : (
        <>
          <table id="costs">
            <thead>
              <tr>
                <th scope="col">a question</th>
                <th scope="col">tokens read</th>
                <th scope="col">ms</th>
              </tr>
            </thead>
            {sources.map(({ id, title, costs: { costs } }) => (
              <tbody key={id} data-by={id}>
                <tr>
                  <th scope="rowgroup" colSpan={3}>
                    {title}
                  </th>
                </tr>
                {askers.map((asker) => (
                  <tr key={asker} data-who={asker}>
                    <th scope="row">{names[asker]}</th>
                    <td>{costs[asker]?.tokens.toFixed(0) ?? "not asked"}</td>
                    <td>{costs[asker]?.ms?.toFixed(0) ?? ""}</td>
                  </tr>
                ))}
              </tbody>
            ))}
            <tbody data-by="cloud">
              <tr>
                <th scope="row">cloud pass, once</th>
                <td>{selected.content.promptTokens}</td>
                <td>{cloudMs?.toFixed(0) ?? "not known"}</td>
              </tr>
            </tbody>
          </table>
          {cloudMs === undefined ? (
            <p id="break-even">
              When the cloud pass is paid back is not known: the cloud model did not read this prompt for this page.
            </p>
          ) : (
            <div id="break-even">
              {sources.map(({ id, by, costs }) => (
                <p key={id} data-by={id}>
                  {by}: {paidBack(costs, cloudMs)}
                </p>
              ))}
            </div>
          )}
          {cloudMs !== undefined && drawn !== undefined && <Chart cloudMs={cloudMs} {...drawn} />}
        </>
      )}
    </section>
  );
}

function paidBack({ costs: { prompted, specialized } }: Costs, cloudMs: number): string {
  const [slow, fast] = [prompted?.ms ?? undefined, specialized?.ms ?? undefined];
  if (slow === undefined || fast === undefined) return "not known, for the prompted model was not timed.";
  const even = breakEven(cloudMs, slow, fast);
  if (even === undefined)
    return "the cloud pass is not paid back after any number of questions. The specialised one is not faster.";
  return `the cloud pass is paid back after ${countOf(even, "question")}.`;
}

type ChartProps = { readonly cloudMs: number; readonly prompted: number; readonly specialized: number };

/** Time over the number of questions, and where the two lines meet. */
function Chart({ cloudMs, prompted, specialized }: ChartProps) {
  const chart = useRef<HTMLDivElement>(null);
  const lines = useRef<HTMLElement>(null);
  const isDark = useDark();
  const even = breakEven(cloudMs, prompted, specialized);
  useEffect(() => {
    const element = chart.current;
    if (element === null || lines.current === null) return undefined;
    const most = Math.max(10, 2 * (even ?? 20));
    const questions = Array.from({ length: 41 }, (_, i) => (i * most) / 40);
    const colors = [...lines.current.querySelectorAll("b")].map((each) => getComputedStyle(each).color);
    const seconds = (from: number, each: number) => questions.map((count) => (from + count * each) / 1000);
    const axis = { stroke: getComputedStyle(element).color, grid: { stroke: "#8884" } };
    const plot = new uPlot(
      {
        width: Math.max(240, Math.min(560, element.clientWidth)),
        height: 220,
        legend: { show: false },
        scales: { x: { time: false } },
        axes: [
          { ...axis, label: "questions" },
          { ...axis, label: "seconds" },
        ],
        series: [{}, ...colors.map((stroke) => ({ stroke, width: 2 }))],
      },
      [questions, seconds(0, prompted), seconds(cloudMs, specialized)],
      element,
    );
    return () => plot.destroy();
  }, [cloudMs, prompted, specialized, even, isDark]);
  return (
    <figure>
      <div
        ref={chart}
        class="chart"
        role="img"
        aria-label={
          even === undefined
            ? "Seconds over questions: the two lines do not meet."
            : `Seconds over questions: the two lines meet at ${even}.`
        }
      />
      <figcaption ref={lines}>
        Seconds over the number of questions: <b class="prompted">prompted</b>,{" "}
        <b class="specialized">specialised, behind the cloud pass</b>.
      </figcaption>
    </figure>
  );
}

/** Whether the page is shown in the dark, also when that changes. */
function useDark(): boolean {
  const [query] = useState(() => matchMedia("(prefers-color-scheme: dark)"));
  const [isDark, setDark] = useState(query.matches);
  useEffect(() => {
    const change = (): void => setDark(query.matches);
    query.addEventListener("change", change);
    return () => query.removeEventListener("change", change);
  }, [query]);
  return isDark;
}
