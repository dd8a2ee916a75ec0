/** @file The models that answer: the edge model with its gates and, where it is to answer too, the cloud model as it is. */

import type { EdgePair } from "../pair/pair.ts";
import type { Pair } from "../pair/pair-file.ts";
import { type ConstraintCache, createConstraintCache } from "./api/constraints.ts";
import { createPlainEngine, type Engine, type EngineOptions } from "./engine/engine.ts";

/** One of them: what computes its answers, how text becomes its tokens, and constraints in these tokens. */
export type Side = {
  readonly engine: Engine;
  readonly texts: Pick<EdgePair, "tokenizer" | "layout" | "edge" | "confidenceTemperature">;
  readonly constraints: ConstraintCache;
};

/** Opened when it is first asked. */
export type CloudSide = { readonly open: () => Promise<Side>; readonly close: () => Promise<void> };

export function cloudSide(
  { cloud, cloudTokenizer: tokenizer, cloudLayout: layout }: Pick<Pair, "cloud" | "cloudTokenizer" | "cloudLayout">,
  options: EngineOptions,
): CloudSide {
  let opened: Promise<Side> | undefined;
  const open = async (): Promise<Side> => ({
    engine: await createPlainEngine(cloud, options),
    texts: { tokenizer, layout, edge: cloud },
    constraints: createConstraintCache({ tokenizer, layout }),
  });
  return {
    open() {
      opened ??= open().catch((error: unknown) => {
        opened = undefined; // it is tried again by the next question
        throw error;
      });
      return opened;
    },
    close: async () => (await opened)?.engine.close(),
  };
}
