/** @file What two certificates say differently, and what a list of names says of one. */
import { answeringRung, type Certificate, type Party, parties, type Rung } from "./certificate.ts";
import type { Mean } from "./intervals.ts";

type Both<Value> = { readonly from: Value | null; readonly to: Value | null };

export type CertificateDiff = {
  /** Whether both were measured on the same inputs, with the same answers held to be right; null where one was not measured. */
  readonly sameInputs: boolean | null;
  readonly inputs: Both<number>;
  /** The cheapest that scores the threshold; null where none does, or none was asked for. */
  readonly rung: Both<Rung>;
  readonly answers: Both<Rung>;
  /** Of each that either was asked of. */
  readonly scores: Readonly<Partial<Record<Party, Both<Mean>>>>;
};

/** null where neither content has one. */
export function diffCertificates(from: Certificate | undefined, to: Certificate | undefined): CertificateDiff | null {
  if (from === undefined && to === undefined) return null;
  const both = <Value>(of: (certificate: Certificate) => Value | null | undefined): Both<Value> => ({
    from: (from && of(from)) ?? null,
    to: (to && of(to)) ?? null,
  });
  const asked = parties.filter((party) => from?.parties[party] ?? to?.parties[party]);
  return {
    sameInputs: from && to ? from.inputsSha256 === to.inputsSha256 : null,
    inputs: both(({ inputs }) => inputs),
    rung: both(({ rung }) => rung),
    answers: both(answeringRung),
    scores: Object.fromEntries(asked.map((party) => [party, both(({ parties: found }) => found[party]?.score)])),
  };
}

/** Who answers for a name, and how well. */
export type CertificateSummary = Pick<Certificate, "inputs" | "threshold"> & {
  readonly answers: Rung;
  readonly score: Mean | null;
};

export function summarizeCertificate(certificate: Certificate): CertificateSummary {
  const { inputs, threshold, parties: found } = certificate;
  const answers = answeringRung(certificate);
  return { answers, score: found[answers]?.score ?? null, inputs, ...(threshold === undefined ? {} : { threshold }) };
}
