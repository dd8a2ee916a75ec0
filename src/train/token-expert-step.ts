/** @file Training experts that each token is routed to by itself, LoRAMoE or MixLoRA, beside a frozen edge model that reads no prompts. */
import { add, input, scale } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";
import { frozenParts } from "../models/frozen-model.ts";
import {
  type TokenExpertForm,
  type TokenExperts,
  tokenExpertShapes,
  withTokenExperts,
} from "../models/token-experts.ts";
import { localizedBalance, mixtralBalance, type TokenRouting } from "../nn/token-experts.ts";
import type { AdamWConfig } from "../optim/adamw.ts";
import type { Feeds } from "../runtime/session.ts";
import { floatTensor } from "../runtime/tensor.ts";
import { type FrozenShape, frozenPrefix } from "./adapted-step.ts";
import { realTokens, rowInputs } from "./batch.ts";
import { answerLoss, edgePrefix, type Target, weighFor } from "./generator-step.ts";
import type { StepSpec } from "./step.ts";
import type { Questions } from "./task-batches.ts";

export type Balance = {
  /** Its weight beside the answers' loss. */
  readonly coefficient: number;
  /** LoRAMoE: how far experts are kept to rows of their own kind, and the task kinds that the first half of them is for. */
  readonly delta: number;
  readonly kinds: readonly string[];
};

/** (rows, n): what loads are multiplied by; fed for LoRAMoE. */
const wantedName = "edge.wanted";
/** (rows, time, 1): 1 for tokens, 0 for padding, which is no router's load. */
const realName = "edge.real";

type BalanceLoss = (routings: readonly TokenRouting[], real: Node, settings: TokenExperts) => Node;

const balances: { readonly [F in TokenExpertForm]: BalanceLoss } = {
  loramoe: (routings, real, { experts }) => {
    const wanted = input(wantedName, [real.shape[0]!, experts]);
    return routings.map((routing) => localizedBalance(routing, real, wanted)).reduce(add);
  },
  mixlora: (routings, real, { topK }) => mixtralBalance(routings, real, topK),
};

export type TokenExpertStep = {
  readonly edge: FrozenShape;
  readonly settings: TokenExperts;
  readonly balance: Pick<Balance, "coefficient">;
  readonly target: Target;
  readonly optimizer: AdamWConfig & { readonly maxGradientNorm: number };
};

export function tokenExpertSpec({ edge, settings, balance, target, optimizer }: TokenExpertStep): StepSpec {
  return {
    parameters: tokenExpertShapes(edge.config, settings),
    weigh: weighFor(target),
    optimizer,
    maxGradientNorm: optimizer.maxGradientNorm,
    objective: (parameters) => {
      const batch = rowInputs(edgePrefix);
      const plain = frozenParts(edge, frozenPrefix);
      const { parts, routings } = withTokenExperts(edge.config, settings, plain, (name) => parameters[name]!);
      const answers = answerLoss(edge.config, parts, plain, target, batch);
      const real = input(realName, [...batch.tokens.shape, 1]);
      const even = balances[settings.form](routings, real, settings);
      return {
        loss: add(answers.loss, scale(even, balance.coefficient)),
        metrics: { answerLoss: answers.loss, ...answers.metrics, balanceLoss: even },
      };
    },
  };
}

/** What the balance reads of a batch beside its tokens. `feeds`: of its rows, one for each group where there are kinds. */
export function balanceFeeds(
  settings: TokenExperts,
  { delta, kinds }: Balance,
  groups: readonly Questions[],
  feeds: Feeds,
): Feeds {
  const real = { [realName]: realTokens(edgePrefix, feeds) };
  if (settings.form !== "loramoe") return real;
  const { experts } = settings;
  const half = Math.floor(experts / 2);
  const [rows] = feeds[`${edgePrefix}.tokens`]!.shape as [number, number];
  const wantedOf = ({ kind }: Questions): number[] => {
    const isOfFirst = kind !== undefined && kinds.includes(kind);
    return Array.from({ length: experts }, (_, j) => (j < half === isOfFirst ? 1 + delta : 1 - delta));
  };
  const wanted = kinds.length === 0 ? new Array<number>(rows * experts).fill(1) : groups.flatMap(wantedOf);
  return { ...real, [wantedName]: floatTensor([rows, experts], wanted) };
}
