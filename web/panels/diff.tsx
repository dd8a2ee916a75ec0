/** @file How two versions differ: gate by gate, in their prompts, the form of their answers, and what their certificates say. */
import type { Content, Diff, ShownCertificate } from "../api.ts";
import { countOf } from "../state.ts";
import { describeConstraint } from "./constraint.ts";
import { HeatMap } from "./heat-map.tsx";

export type Side = {
  /** NAME@VERSION */
  readonly model: string;
  readonly content: Content;
  readonly certificate: ShownCertificate | undefined;
};
export type DiffPartProps = { readonly from: Side; readonly to: Side; readonly diff: Diff };

export function DiffPart({ from, to, diff: { gates, similarity, samePrompt } }: DiffPartProps) {
  const layers = Math.max(from.content.layers, to.content.layers);
  const experts = Math.max(from.content.experts, to.content.experts);
  const rows = Array.from({ length: layers }, () => new Array<number>(experts).fill(0));
  for (const each of gates) rows[each.layer]![each.expert] = each.to - each.from;
  const gate = ({ content }: Side, layer: number, expert: number): string =>
    (content.gates[layer]?.[expert] ?? 0).toFixed(3);
  const isSameForm = JSON.stringify(from.content.constraint) === JSON.stringify(to.content.constraint);
  const table = [
    ["prompt", ...[from, to].map(({ content }) => countOf(content.promptTokens, "token"))],
    ["answers", ...[from, to].map(({ content }) => describeConstraint(content))],
    ["score, % (95 % interval)", ...[from, to].map(scoreOf)],
  ];
  return (
    <div id="diff">
      <h3>
        {from.model} and {to.model}
      </h3>
      <p>
        {gates.length} of {layers * experts} gates differ
        {similarity === null ? "" : `, cosine ${similarity.toFixed(3)}`}; {promptsOf(samePrompt)};{" "}
        {isSameForm ? "answers of the same form" : "answers of another form"}.{inputsOf(from, to)}
      </p>
      {gates.length > 0 && (
        <HeatMap
          rows={rows}
          label={`Differences of gates, ${layers} layers over ${experts} experts; ${gates.length} differ.`}
          caption={`How much larger each gate is in ${to.model} than in ${from.model}; smaller ones in the other colour. Layers from top to bottom, experts from left to right.`}
          describe={(_, layer, expert) => `${gate(from, layer, expert)} → ${gate(to, layer, expert)}`}
        />
      )}
      <table class="two">
        <thead>
          <tr>
            <td />
            <th scope="col">{from.model}</th>
            <th scope="col">{to.model}</th>
          </tr>
        </thead>
        <tbody>
          {table.map(([what, ...both]) => (
            <tr key={what}>
              <th scope="row">{what}</th>
              {both.map((each, i) => (
                <td key={i === 0 ? "from" : "to"}>{each}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const promptsOf = (isSame: boolean | null): string =>
  isSame === null ? "whether the prompts are the same is not known" : isSame ? "the same prompt" : "another prompt";

function inputsOf({ certificate: one }: Side, { certificate: other }: Side): string {
  if (one === undefined || other === undefined) return "";
  return one.inputsSha256 === other.inputsSha256
    ? " Both were measured on the same inputs."
    : " They were measured on other inputs, so their scores do not say which is better.";
}

function scoreOf({ certificate }: Side): string {
  if (certificate === undefined) return "no certificate";
  const { mean, low, high } = certificate.parties.specialized.score;
  const share = (value: number): string => (100 * value).toFixed(0);
  return `${share(mean)} (${share(low)} to ${share(high)}), ${countOf(certificate.inputs, "input")}`;
}
