/** @file The gates that answer for a name: its own, or refined ones. */
import { AppError } from "../../base/errors.ts";
import { parseSpecialization, type Specialization } from "../../pair/specialization.ts";
import { answeringRung, type Certificate } from "./certificate.ts";

/** Throws E_USAGE where the certificate says that gates alone do not answer. */
export function answeringContent(
  reference: string,
  content: Specialization,
  certificate: Certificate | undefined,
): Specialization {
  const rung = certificate === undefined ? "specialized" : answeringRung(certificate);
  if (rung === "specialized") return content;
  const refined = certificate?.refined;
  if (rung === "refined" && refined !== undefined) return parseSpecialization(refined, `${reference}: refined`);
  throw new AppError(
    "E_USAGE",
    `${reference}: is answered by the rung ${rung}, as its certificate says, which needs a prompt that no export carries`,
  );
}
