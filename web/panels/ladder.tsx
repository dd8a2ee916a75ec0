/** @file The rungs of the ladder: which one scores the least that was asked for, which one answers, and why not the others. */
import type { Rung } from "../../src/server/trust/certificate.ts";
import type { ShownCertificate } from "../api.ts";

const rungs: readonly { readonly rung: Rung; readonly what: string }[] = [
  { rung: "specialized", what: "the gates that the prompt predicts" },
  { rung: "refined", what: "gates refined on examples" },
  { rung: "residual", what: "gates, and sentences of the prompt" },
  { rung: "prompted", what: "the edge model with the whole prompt" },
  { rung: "cloud", what: "the cloud model with the whole prompt" },
];

export function Ladder({ certificate }: { readonly certificate: ShownCertificate }) {
  const { threshold, rung: found } = certificate;
  if (threshold === undefined) return null;
  return (
    <>
      <h3>Rungs, the cheapest first</h3>
      <ol id="rungs">
        {rungs.map(({ rung, what }) => (
          <li key={rung} data-rung={rung} aria-current={rung === found ? "true" : undefined}>
            <b>{rung}</b> ({what}): {whyOf(rung, certificate, threshold)}
          </li>
        ))}
      </ol>
    </>
  );
}

function whyOf(
  rung: Rung,
  { parties, notTried, rung: found, answers, sure }: ShownCertificate,
  threshold: number,
): string {
  const share = (value: number): string => `${Number((100 * value).toFixed(1))} %`;
  const score = parties[rung]?.score.mean;
  if (score === undefined) return notTried?.[rung] === undefined ? "not needed" : `not tried: ${notTried[rung]}`;
  if (rung === found)
    return `scores ${share(score)}, the cheapest that scores ${share(threshold)}${
      sure?.[rung] === false ? ", which the lower end of its interval does not" : ""
    }${rung === answers ? "; it answers for this name" : "; it was not told to answer"}`;
  return score < threshold ? `scores ${share(score)}, less than ${share(threshold)}` : `scores ${share(score)} too`;
}
