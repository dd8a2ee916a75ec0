/** @file A name of a store explained: how what it stands for answered, and its gates. */

import type { Store } from "../../server/store/store.ts";
import { shownCertificate } from "../../server/trust/certificate.ts";
import { certificateLines } from "../certificate-report.ts";
import type { Inspection } from "./inspection.ts";
import { specializationLines } from "./specialization.ts";

/** @param reference NAME or NAME@VERSION; throws E_NOT_FOUND */
export async function inspectName(store: Store, tenant: string, reference: string): Promise<Inspection> {
  const found = await store.resolve(tenant, reference);
  const content = await store.read(found.object);
  const certificate = await store.certificate(tenant, found.object);
  const name = `${found.name}@${found.version}`;
  return {
    json: {
      kind: "name",
      ...found,
      certificate: certificate === undefined ? null : shownCertificate(certificate),
      content,
    },
    lines: (colors) => [
      ...specializationLines(`${name}, since ${found.at}`, content, colors),
      "",
      ...(certificate === undefined
        ? [`no certificate: loragen certify ${name} measures how it answers`]
        : certificateLines(`certificate of ${name}`, certificate)),
    ],
  };
}
