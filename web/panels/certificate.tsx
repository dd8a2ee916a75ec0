/** @file What a certificate says: scores of all, how far the specialisation is ahead, what answers were held against, the ladder. */
import type { ShownCertificate } from "../api.ts";
import { countOf } from "../state.ts";
import { Ladder } from "./ladder.tsx";

const parties = ["specialized", "refined", "residual", "prompted", "cloud", "base", "control"] as const;
const others = ["base", "control", "prompted"] as const;
const saving = ["specialized", "refined", "residual"] as const;
type Mean = ShownCertificate["parties"]["base"]["score"];

const share = (value: number): string => (100 * value).toFixed(0);
const percent = ({ mean, low, high }: Mean): string => `${share(mean)} (${share(low)} to ${share(high)})`;
const amount = ({ mean, low, high }: Mean, what: string): string =>
  `${mean.toFixed(1)} ${what} (${low.toFixed(1)} to ${high.toFixed(1)})`;
/** A difference with its sign. */
const signed = (value: number): string => `${value >= 0 ? "+" : "−"}${share(Math.abs(value))}`;

export function CertificatePart({ certificate }: { readonly certificate: ShownCertificate }) {
  const { parties: found, ahead, saved, freeInputs, firstTokenKl, rung, threshold } = certificate;
  return (
    <div id="certificate" data-rung={rung ?? "none"}>
      <table>
        <thead>
          <tr>
            <th scope="col">who</th>
            <th scope="col">score, % (95 % interval)</th>
            <th scope="col">tokens read</th>
            <th scope="col">ms</th>
          </tr>
        </thead>
        <tbody>
          {parties.flatMap((party) => {
            const result = found[party];
            if (result === undefined) return [];
            const { score, inputTokens, ms } = result;
            return [
              <tr key={party} data-party={party}>
                <th scope="row">{party}</th>
                <td>{percent(score)}</td>
                <td>{inputTokens.toFixed(0)}</td>
                <td>{ms?.toFixed(0) ?? ""}</td>
              </tr>,
            ];
          })}
        </tbody>
      </table>
      <table id="ahead">
        <thead>
          <tr>
            <th scope="col">specialised ahead of</th>
            <th scope="col">points of score (95 % interval)</th>
          </tr>
        </thead>
        <tbody>
          {others.flatMap((party) => {
            const by = ahead[party];
            if (by === undefined) return [];
            return [
              <tr key={party} data-party={party}>
                <th scope="row">{party}</th>
                <td>
                  {signed(by.mean)} ({signed(by.low)} to {signed(by.high)})
                </td>
              </tr>,
            ];
          })}
        </tbody>
      </table>
      {saving.flatMap((rung) => {
        const by = saved?.[rung];
        return by === undefined
          ? []
          : [
              <p key={rung} id={`saved-${rung}`}>
                An answer of {rung} saves {amount(by.inputTokens, "tokens")}
                {by.ms === null ? "" : ` and ${amount(by.ms, "ms")}`} of what the prompted model takes.
              </p>,
            ];
      })}
      {parties.some((party) => found[party]?.kept?.free) && (
        <table id="kept">
          <thead>
            <tr>
              <th scope="col">where nothing holds answers to their form</th>
              <th scope="col">they have it, % of {countOf(freeInputs ?? 0, "input")}</th>
            </tr>
          </thead>
          <tbody>
            {parties.flatMap((party) => {
              const free = found[party]?.kept?.free;
              return free === undefined
                ? []
                : [
                    <tr key={party} data-party={party}>
                      <th scope="row">{party}</th>
                      <td>{percent(free)}</td>
                    </tr>,
                  ];
            })}
          </tbody>
        </table>
      )}
      {firstTokenKl && (
        <p id="kl">
          First token of an answer: {firstTokenKl.mean.toFixed(3)} nats ({firstTokenKl.low.toFixed(3)} to{" "}
          {firstTokenKl.high.toFixed(3)}) of KL from the prompted model to the specialised one.
        </p>
      )}
      <p id="judge">{judgeOf(certificate)}</p>
      <p>
        {countsOf(certificate)}{" "}
        {threshold === undefined
          ? ""
          : rung
            ? `The cheapest that scores the least: ${rung}.`
            : "None scores the least."}
      </p>
      <Ladder certificate={certificate} />
    </div>
  );
}

function judgeOf({ reference }: ShownCertificate): string {
  if (reference.kind === "labels") return "Held against the answers that were given.";
  if (reference.kind === "model") return `Held against the answers of ${reference.model}.`;
  return "Held against the prompted edge model's own answers: where it cannot be prompted, agreement says little.";
}

function countsOf({ inputs, refinedOn, leftOut, failed, keepsPrompt, at }: ShownCertificate): string {
  return [
    `${countOf(inputs, "input")}${refinedOn === undefined ? "" : `, and ${refinedOn} that gates could be refined on`}, on ${at.slice(0, 10)}.`,
    ...(leftOut > 0 ? [`${leftOut} beside them left out: nothing could be made of the reference's answer.`] : []),
    ...(failed > 0 ? [`${failed} too long for one of those asked, which scores 0 there.`] : []),
    ...(keepsPrompt ? ["The prompt, or sentences of it, are kept to answer with."] : []),
  ].join(" ");
}
