/** @file The loss that keeps the experts' load even (eq. 7), in the readings of `auxForm`. */
import { add, constant, div, mean, mul, reshape, sub, sum, topKMask } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";
import { cvSquared, cvSquaredUnbiased } from "../nn/loss.ts";
import { type GeneratorConfig, gateSets } from "./config.ts";
import { inSets, type Routing } from "./router.ts";

type Balance = (routing: Pick<Routing, "gates" | "probabilities">, config: GeneratorConfig) => Node;

/** CV² is variance / mean². Gates and probabilities are (p, L, n), or (p, L, 2n): those of A and of B count as experts of their own. */
const forms: { readonly [F in GeneratorConfig["auxForm"]]: Balance } = {
  /** CV² across experts of the gates summed over batch and layers. */
  batch: ({ gates }) => cvSquared(sum(gates, [0, 1])),
  /** The same of the probabilities before KeepTop-K: experts that were not kept have a gradient too. */
  probabilities: ({ probabilities }) => cvSquared(sum(probabilities, [0, 1])),
  /** CV² of each layer's importance, averaged. */
  perLayer: ({ gates }) => {
    const importance = sum(gates, [0]); // (L, n)
    const mu = mean(importance, [1], { keepDims: true });
    const centred = sub(importance, mu);
    return mean(div(mean(mul(centred, centred), [1], { keepDims: true }), add(mul(mu, mu), constant(1e-10))));
  },
  /** CV² of all p·L·n gates as they are, with the unbiased variance, as in LoRAMoE's code: its least is at equal kept gates, not at equal load. */
  elementwise: ({ gates }) => cvSquaredUnbiased(gates),
  /** n·Σ_j f_j·P_j (Switch Transformer, Mixtral): f the expert's share of the K places in all rows, without gradient; P its mean probability. 1 for even load. */
  switch: ({ probabilities }, config) => {
    const { topK, experts } = config;
    const places = reshape(topKMask(inSets(config, probabilities), topK), probabilities.shape);
    const share = sum(mul(mean(places, [0, 1]), mean(probabilities, [0, 1])));
    return mul(share, constant(experts / topK / gateSets(config)));
  },
};

/** What an expert carries: its gates, or the squares of signed coefficients, whose sign is no load. */
const loads = ({ strategy }: GeneratorConfig, gates: Node): Node => (strategy === "linear" ? mul(gates, gates) : gates);

/** (n), or (2n): what each expert carries in all prompts and layers. */
export const expertLoad = (config: GeneratorConfig, { gates }: Pick<Routing, "gates">): Node =>
  sum(loads(config, gates), [0, 1]);

/** The chosen form times its coefficient α. */
export const balanceLoss = (config: GeneratorConfig, routing: Pick<Routing, "gates" | "probabilities">): Node =>
  mul(
    forms[config.auxForm]({ ...routing, gates: loads(config, routing.gates) }, config),
    constant(config.auxCoefficient),
  );
