/** @file What a generator makes of meta tokens: gates over LoRAs (LoRA-Gen) or over factors of singular values, or LoRA weights (Table 8). One typed table. */
import type { Node } from "../graph/types.ts";
import type { Parts } from "../nn/parts.ts";
import { type GeneratorConfig, gateSets } from "./config.ts";
import { directStates } from "./direct.ts";
import { type Adapting, withDirectLora, withExperts, withFactors } from "./experts.ts";
import { generatorBuffers, logitCount, type PairShape, routerWidth } from "./parameters.ts";
import { type Routing, route } from "./router.ts";
import type { RouterMode } from "./router-norm.ts";

type Generation = {
  /** Whether its numbers are gates: they add up, and say how much of each expert is in use. */
  readonly areGates: boolean;
  /** Numbers per layer that a specialisation holds. */
  readonly count: (shape: PairShape) => number;
  /** How many of them may differ from 0. */
  readonly most: (shape: PairShape) => number;
  /** The edge model adapted by gates (p, L, count) that are given; absent where the numbers are no gates. */
  readonly withGates?: typeof withExperts;
  /** "12 gates" */
  readonly describe: (count: number) => string;
  /** The numbers of a specialisation from the meta tokens' hidden states (1, L, d): (1, L, count). */
  readonly numbers: (shape: PairShape, parameters: Parts["weight"], hidden: Node) => Node;
  /** The edge model adapted in training, every row by its prompt's meta tokens (p, L, d), and the routing where there is one. */
  readonly adapt: (adapting: Adapting & { readonly hidden: Node; readonly mode: RouterMode }) => {
    readonly parts: Parts;
    readonly routing?: Routing;
  };
};

/** What both kinds of gates have in common. */
const gates = {
  areGates: true,
  count: ({ generator }) => logitCount(generator),
  most: ({ generator }) =>
    generator.strategy === "dense" || generator.strategy === "linear"
      ? logitCount(generator)
      : generator.topK * gateSets(generator),
  describe: (count) => `${count} gates`,
  numbers(shape, parameters, hidden) {
    const buffers = Object.fromEntries(
      [...generatorBuffers(shape)].map(([name, info]) => [name, parameters(name, info.shape)]),
    );
    return route(shape, parameters, hidden, { training: false, buffers }).gates;
  },
} as const satisfies Omit<Generation, "adapt">;

const routed = (withGates: typeof withExperts): Pick<Generation, "withGates" | "adapt"> => ({
  withGates,
  adapt({ hidden, mode, ...adapting }) {
    const routing = route(adapting.shape, adapting.parameters, hidden, mode);
    return { parts: withGates({ ...adapting, gates: routing.gates }), routing };
  },
});

export const generations: { readonly [G in GeneratorConfig["generation"]]: Generation } = {
  pool: { ...gates, ...routed(withExperts) },
  svf: { ...gates, ...routed(withFactors) },
  direct: {
    areGates: false,
    count: routerWidth,
    most: routerWidth,
    describe: (count) => `a hidden state of ${count} numbers (generator.routerHidden)`,
    numbers: directStates,
    adapt: ({ mode: _, ...adapting }) => ({ parts: withDirectLora(adapting) }),
  },
};

/** Numbers per layer that a specialisation holds: gates, or a hidden state. */
export const gateCount = (shape: PairShape): number => generations[shape.generator.generation].count(shape);
