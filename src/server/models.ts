/** @file What a model name stands for when it is asked: gates, what its answers must be, which prompt it replaces. */
import { AppError } from "../base/errors.ts";
import type { ConstraintSpec } from "../constraint/spec.ts";
import { gateValues } from "../pair/gated-edge.ts";
import type { EdgePair } from "../pair/pair.ts";
import type { Gates } from "./engine/engine.ts";
import type { Store } from "./store/store.ts";

/** A model that can be asked: the base model, or one version of a specialisation. */
export type ServedModel = {
  /** As answers name it: NAME@VERSION, or the base model's name. */
  readonly id: string;
  /** None of the base model. */
  readonly specialized?: {
    readonly gates: Gates;
    readonly constraint: ConstraintSpec | undefined;
    /** Of the prompt it stands for; none of an anonymous one. */
    readonly promptHmac: string | undefined;
    readonly promptTokens: number;
  };
  /** Of a specialisation that its certificate found wanting: its prompt answers in its place, read every time. */
  readonly prompted?: { readonly prompt: string; readonly constraint: ConstraintSpec | undefined };
};

export type Models = {
  readonly base: string;
  /** Throws E_NOT_FOUND; E_MISMATCH for a specialisation of another pair. */
  find(tenant: string, name: string): Promise<ServedModel>;
};

/** Kept by the content's hash: a name that gets new content never finds the old one here. */
const maxKept = 50_000;

export function createModels(pair: EdgePair, store: Store, base: string): Models {
  const kept = new Map<string, NonNullable<ServedModel["specialized"]>>();

  async function specializedOf(object: string): Promise<NonNullable<ServedModel["specialized"]>> {
    const known = kept.get(object);
    if (known !== undefined) return known;
    const specialization = await store.read(object);
    const { constraint, promptHmac, promptTokens } = specialization;
    const gates = gateValues(pair, specialization);
    const specialized = { gates, constraint, promptHmac, promptTokens };
    for (const oldest of kept.keys()) {
      if (kept.size < maxKept) break;
      kept.delete(oldest);
    }
    kept.set(object, specialized);
    return specialized;
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
        if (error instanceof AppError && error.code === "E_USAGE")
          throw new AppError("E_NOT_FOUND", `model ${JSON.stringify(name.slice(0, 80))}: not found`);
        throw error;
      });
      const id = `${own}@${version}`;
      const specialized = await specializedOf(object);
      const prompt = (await store.certificate(tenant, object))?.prompt;
      if (prompt !== undefined) return { id, prompted: { prompt, constraint: specialized.constraint } };
      return { id, specialized };
    },
  };
}
