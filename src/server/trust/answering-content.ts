/** @file The gates that answer for a name: its own, or refined ones. */
import { AppError } from "../../base/errors.ts";
import { parseSpecialization, type Specialization } from "../../pair/specialization.ts";
import { answeringRung, type Certificate, type Rung } from "./certificate.ts";

/** Who answers, and the content whose gates do: alone, or behind sentences of the prompt. undefined where a prompt answers without gates. */
export function answeringGates(
  reference: string,
  content: Specialization,
  certificate: Certificate | undefined,
): { readonly rung: Rung; readonly gates: Specialization | undefined } {
  const rung = certificate === undefined ? "specialized" : answeringRung(certificate);
  if (rung === "specialized") return { rung, gates: content };
  if (rung === "prompted" || rung === "cloud") return { rung, gates: undefined };
  const refined = certificate?.refined;
  return { rung, gates: refined === undefined ? content : parseSpecialization(refined, `${reference}: refined`) };
}

/** Throws E_USAGE where the certificate says that gates alone do not answer. */
export function answeringContent(
  reference: string,
  content: Specialization,
  certificate: Certificate | undefined,
): Specialization {
  const { rung, gates } = answeringGates(reference, content, certificate);
  if (gates !== undefined && rung !== "residual") return gates;
  throw new AppError(
    "E_USAGE",
    `${reference}: is answered by the rung ${rung}, as its certificate says, which needs a prompt that no export carries`,
  );
}
