/** @file What answers say of the models behind them: the same for the same edge model and generator, as OpenAI's `system_fingerprint`. */
import type { EdgePair } from "../pair/pair.ts";

export const fingerprintOf = ({ edge, generator }: EdgePair): string =>
  `fp_${edge.sha256.slice(0, 6)}${generator.sha256.slice(0, 6)}`;
