/** @file A specialisation of an open pair as what is exported. */
import { sha256 } from "../base/hash.ts";
import { assembleLora } from "../pair/merge.ts";
import type { Pair } from "../pair/pair-file.ts";
import { encodeSpecialization, type Specialization } from "../pair/specialization.ts";
import type { ExportSource } from "./run-export.ts";

/** @param baseName what the export calls its base model. Throws E_MISMATCH for a specialisation of another pair. */
export const specializationSource = (
  pair: Pick<Pair, "name" | "edge" | "generator" | "shape" | "tokenizer" | "layout" | "tokenizerPath">,
  specialization: Specialization,
  baseName: string,
): ExportSource => ({
  base: pair.edge,
  adapter: assembleLora(pair, specialization),
  constraint: specialization.constraint,
  kind: "specialization",
  adapterSha256: sha256(encodeSpecialization(specialization)),
  name: `${pair.name} specialised`,
  baseName,
  tokenizerDirectory: pair.tokenizerPath,
  layout: pair.layout,
});
