/** @file What a model name stands for when it is asked: gates, what its answers must be, which prompt it replaces. */
import { sha256 } from "../base/hash.ts";
import type { ConstraintSpec } from "../constraint/spec.ts";
import { gateValues } from "../pair/gated-edge.ts";
import type { EdgePair } from "../pair/pair.ts";
import { parseSpecialization, type Specialization } from "../pair/specialization.ts";
import type { Gates } from "./engine/engine.ts";
import { notFoundIfNoName } from "./store/names.ts";
import type { Store } from "./store/store.ts";
import { answeringRung, type Certificate, type Rung } from "./trust/certificate.ts";

/** A model that can be asked: the base model, or one version of a specialisation. */
export type ServedModel = {
  /** As answers name it: NAME@VERSION, or the base model's name. */
  readonly id: string;
  /** None of the base model. */
  readonly specialized?: {
    /** Who answers, as its certificate says. */
    readonly rung: Rung;
    /** None where the prompt alone answers. */
    readonly gates: Gates | undefined;
    readonly constraint: ConstraintSpec | undefined;
    /** Of the prompt it stands for; none of an anonymous one. */
    readonly promptHmac: string | undefined;
    readonly promptTokens: number;
    /** Read every time: the prompt, or sentences of it. */
    readonly prompt?: string | undefined;
  };
};
export type SpecializedModel = NonNullable<ServedModel["specialized"]>;

export type Models = {
  readonly base: string;
  /** Throws E_NOT_FOUND; E_MISMATCH for a specialisation of another pair. */
  find(tenant: string, name: string): Promise<ServedModel>;
};

/** Kept by the content's hash: a name that gets new content never finds the old one here. */
const maxKept = 50_000;

export function createModels(pair: EdgePair, store: Store, base: string): Models {
  const kept = new Map<string, SpecializedModel>();

  function keep(key: string, specialization: Specialization): SpecializedModel {
    const { constraint, promptHmac, promptTokens } = specialization;
    const gates = gateValues(pair, specialization);
    const specialized = { rung: "specialized" as const, gates, constraint, promptHmac, promptTokens };
    for (const oldest of kept.keys()) {
      if (kept.size < maxKept) break;
      kept.delete(oldest);
    }
    kept.set(key, specialized);
    return specialized;
  }
  const specializedOf = async (object: string): Promise<SpecializedModel> =>
    kept.get(object) ?? keep(object, await store.read(object));

  /** What answers in its place, where its certificate found it wanting. */
  function answering(own: SpecializedModel, certificate: Certificate): SpecializedModel {
    const rung = answeringRung(certificate);
    const { refined, residual, prompt } = certificate;
    const gates = () => {
      if (refined === undefined) return own.gates;
      const key = `refined ${sha256(refined)}`;
      return (kept.get(key) ?? keep(key, parseSpecialization(refined, "certificate: refined"))).gates;
    };
    const by: { readonly [R in Rung]: () => Pick<SpecializedModel, "gates" | "prompt"> } = {
      specialized: () => ({ gates: own.gates }),
      refined: () => ({ gates: gates() }),
      residual: () => ({ gates: gates(), prompt: residual }),
      prompted: () => ({ gates: undefined, prompt }),
      cloud: () => ({ gates: undefined, prompt }),
    };
    return { ...own, rung, ...by[rung]() };
  }

  return {
    base,
    async find(tenant, name) {
      if (name === base) return { id: base };
      const {
        name: own,
        version,
        object,
      } = await store.resolve(tenant, name).catch((error: unknown) => {
        throw notFoundIfNoName(error, name);
      });
      const id = `${own}@${version}`;
      const specialized = await specializedOf(object);
      const certificate = await store.certificate(tenant, object);
      return { id, specialized: certificate === undefined ? specialized : answering(specialized, certificate) };
    },
  };
}
