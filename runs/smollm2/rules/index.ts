/** @file Which rules there are, and which combinations of them no training prompt asks for. */
import type { Rng } from "../../../src/base/rng.ts";
import type { Behaviour } from "../behaviour.ts";
import { branched, fixedAnswer, formed, formKinds, refusal, wordCount } from "./composed.ts";
import { binary, chain, lengthClass, propertyKinds } from "./properties.ts";
import { transform, transformKinds } from "./transforms.ts";

/** A tenth of all combinations, by their names: they are tested on and never trained on. */
export function isHeldOut(combination: string): boolean {
  let hash = 2166136261;
  for (const character of combination) hash = Math.imul(hash ^ character.charCodeAt(0), 16777619) >>> 0;
  return hash % 10 === 0;
}

const shortTransforms = transformKinds.filter((kind) => !["wrapped", "prefixed", "suffixed", "echo"].includes(kind));

/** Forms that leave a label as the prompt has it, so that a closed list can be checked against the prompt. */
const formsAroundLabels = formKinds.filter((form) => !["capitals", "twice"].includes(form));

/** Draws the parts of a combination until its name is on the wanted side. */
function combination(heldOut: boolean, draw: () => readonly string[]): readonly string[] {
  for (;;) {
    const parts = draw();
    if (isHeldOut(parts.join(" ")) === heldOut) return parts;
  }
}

type Drawn = {
  readonly weight: number;
  readonly draw: (rng: Rng, domains: readonly string[], heldOut: boolean) => Behaviour;
};

/** Rules by how they are put together. Those of one part have no combinations: of them new wordings and parameters are tested. */
export const ruleTable: { readonly [name: string]: Drawn } = {
  transform: { weight: 5, draw: (rng) => transform(rng.pick(transformKinds), rng) },
  count: { weight: 0.6, draw: () => wordCount() },
  fixed: { weight: 0.5, draw: (rng) => fixedAnswer(rng) },
  binary: { weight: 4, draw: (rng, domains) => binary(rng.pick(propertyKinds), rng, domains) },
  length: { weight: 0.6, draw: (rng) => lengthClass(rng) },
  refusal: { weight: 0.8, draw: (rng, domains) => refusal(rng, domains) },
  chain: {
    weight: 1.5,
    draw(rng, domains, heldOut) {
      const kinds = combination(heldOut, () => {
        const first = rng.pick(propertyKinds);
        return ["chain", first, rng.pick(propertyKinds.filter((kind) => kind !== first))];
      });
      return chain(rng, domains, [kinds[1]!, kinds[2]!]);
    },
  },
  formed: {
    weight: 3,
    draw(rng, domains, heldOut) {
      const [, form, kind] = combination(heldOut, () => {
        const inner = rng.pick([...shortTransforms, ...propertyKinds, "word-count"]);
        const kinds = propertyKinds.includes(inner) ? formsAroundLabels : formKinds;
        return ["formed", rng.pick(kinds), inner];
      }) as [string, string, string];
      const inner =
        kind === "word-count"
          ? wordCount()
          : shortTransforms.includes(kind)
            ? transform(kind, rng)
            : binary(kind, rng, domains);
      return formed(rng, inner, form);
    },
  },
  branched: {
    weight: 2,
    draw(rng, domains, heldOut) {
      const [, check, then, otherwise] = combination(heldOut, () => [
        "branched",
        rng.pick(propertyKinds),
        rng.pick(shortTransforms),
        ...(rng.next() < 0.5 ? [] : [rng.pick(shortTransforms)]),
      ]) as [string, string, string, string?];
      return branched(rng, domains, { check, then, ...(otherwise === undefined ? {} : { otherwise }) });
    },
  },
};

/** One rule, drawn by weight. */
export function drawRule(
  rng: Rng,
  domains: readonly string[],
  { heldOut = false, only }: { heldOut?: boolean; only?: string } = {},
): Behaviour {
  if (only !== undefined) return ruleTable[only]!.draw(rng, domains, heldOut);
  const rows = Object.values(ruleTable);
  let place = rng.next() * rows.reduce((sum, { weight }) => sum + weight, 0);
  for (const { weight, draw } of rows) {
    place -= weight;
    if (place < 0) return draw(rng, domains, heldOut);
  }
  return rows[0]!.draw(rng, domains, heldOut);
}
