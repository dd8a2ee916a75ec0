/** @file A certificate for people: who scored what, what is saved, and the verdict. */

import { type Certificate, parties, rungs, savingRungs } from "../server/trust/certificate.ts";
import type { CertificateDiff } from "../server/trust/certificate-diff.ts";
import type { Mean } from "../server/trust/intervals.ts";
import { percent, plural } from "./format.ts";
import { formatTable } from "./table.ts";

const against: { readonly [K in Certificate["reference"]["kind"]]: string } = {
  labels: "labelled examples",
  model: "a stronger model",
  "prompted-edge": "the prompted edge model itself",
};

const interval = ({ mean, low, high }: Mean, format: (value: number) => string): string =>
  `${format(mean)} [${format(low)}, ${format(high)}]`;
const decimal = (value: number): string => value.toFixed(1);

/** @param name NAME@VERSION */
export function certificateLines(name: string, certificate: Certificate): string[] {
  const { inputs, reference, scorer } = certificate;
  const model = reference.kind === "model" ? ` (${reference.model})` : "";
  return [
    `${name}: ${plural(inputs, "input")}, scored by ${scorer} against ${against[reference.kind]}${model}; 95 % intervals over the inputs`,
    scoreTable(certificate),
    "control: the same gates, shuffled among the experts of each layer",
    ...saved(certificate),
    ...verdict(certificate),
  ];
}

type Row = readonly [title: string, cell: (party: (typeof parties)[number]) => string | undefined];

/** Columns that older certificates have nothing for are left out. */
function scoreTable({ parties: found, ahead, freeInputs }: Certificate): string {
  const columns: readonly Row[] = [
    ["score, %", (party) => interval(found[party]!.score, percent)],
    [
      "specialised ahead by, points",
      (party) => (party in ahead ? interval(ahead[party as keyof typeof ahead]!, percent) : undefined),
    ],
    ["ended, %", (party) => found[party]!.kept && percent(found[party]!.kept.ended.mean)],
    [
      `form kept unforced (${freeInputs}), %`,
      (party) => found[party]!.kept?.free && interval(found[party]!.kept.free, percent),
    ],
    ["tokens read", (party) => decimal(found[party]!.inputTokens)],
    ["ms", (party) => found[party]!.ms?.toFixed(1)],
  ];
  const asked = parties.filter((party) => found[party] !== undefined);
  const filled = columns.filter(([, cell]) => asked.some((party) => cell(party) !== undefined));
  return formatTable(
    [{ title: "" }, ...filled.map(([title]) => ({ title, align: "right" as const }))],
    asked.map((party) => [party, ...filled.map(([, cell]) => cell(party) ?? "")]),
  );
}

const saved = ({ saved: found = {}, timedInputs }: Certificate): string[] =>
  savingRungs.flatMap((rung) => {
    const own = found[rung];
    if (own === undefined) return [];
    const ms = own.ms === null ? "" : `, ${interval(own.ms, decimal)} ms on ${plural(timedInputs ?? 0, "input")}`;
    return [`saved beside prompted: ${rung}: ${interval(own.inputTokens, decimal)} tokens an input${ms}`];
  });

function verdict({ threshold, rung, sure = {}, refinedOn, notTried = {} }: Certificate): string[] {
  if (threshold === undefined) return [];
  const doubts = rungs.flatMap((each) => (sure[each] === undefined ? [] : [`${each} ${sure[each] ? "yes" : "no"}`]));
  return [
    rung
      ? `Cheapest that scores ${percent(threshold)} %: ${rung}.`
      : `None scores ${percent(threshold)} %: no rung that was tried should answer alone.`,
    ...(doubts.length === 0 ? [] : [`The lower end of its interval reaches that too: ${doubts.join(", ")}.`]),
    ...(refinedOn === undefined
      ? []
      : [`${plural(refinedOn, "input")} beside them were set aside to refine gates on.`]),
    ...Object.entries(notTried).map(([each, why]) => `not tried: ${each}: ${why}`),
  ];
}

/** How two certificates differ: "no certificate" where neither content has one. */
export function certificateDiffLines(diff: CertificateDiff | null): string[] {
  if (diff === null) return ["certificates  none"];
  const { sameInputs, inputs, rung, answers, scores } = diff;
  const sides = <Value>({ from, to }: { readonly from: Value; readonly to: Value }, say: (value: Value) => string) =>
    from === to ? say(from) : `${say(from)} → ${say(to)}`;
  const measured = (count: number | null): string => (count === null ? "not measured" : plural(count, "input"));
  const same = sameInputs === null ? "" : sameInputs ? ", the same" : ", not the same: their scores hardly compare";
  const asked = parties.filter((party) => scores[party] !== undefined);
  const score = (mean: Mean | null): string => (mean === null ? "" : interval(mean, percent));
  return [
    `certificates  ${measured(inputs.from)} → ${measured(inputs.to)}${same}`,
    `answered by   ${sides(answers, (who) => who ?? "–")}; scores the threshold: ${sides(rung, (who) => who ?? "none")}`,
    formatTable(
      [{ title: "score, %" }, { title: "from", align: "right" }, { title: "to", align: "right" }],
      asked.map((party) => [party, score(scores[party]!.from), score(scores[party]!.to)]),
    ),
  ];
}
