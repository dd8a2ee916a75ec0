/**
 * @file What each answer counts in a batch's loss: its tokens or itself, and its whole text or, where the prompt has a closed list, the
 * choice that it is among the list's labels.
 */
import { add, constant, crossEntropy, div, gather, input, mean, mul, reshape, sum } from "../graph/build.ts";
import { mulDims } from "../graph/dims.ts";
import type { Dim, Node } from "../graph/types.ts";
import type { Feeds } from "../runtime/session.ts";
import { floatTensor, intTensor, scalarTensor } from "../runtime/tensor.ts";
import type { Choice, Row } from "./batch.ts";
import type { Objective } from "./step.ts";

export type Weighing = {
  /** What the loss is a mean over. */
  readonly weighBy: "tokens" | "answers";
  /** Of the loss on an answer from a closed list, the share that is the choice among its labels instead of all its tokens. */
  readonly listShare: number;
};

/** Whether all tokens count the same, whatever they may be chosen from. */
export const isPlain = ({ weighBy, listShare }: Weighing): boolean => weighBy === "tokens" && listShare === 0;

/** The choices of an answer among labels, all in tokens with what ends them. The sum of −log p over them is that of the label. */
export function choicesAmong(answer: readonly number[], labels: readonly (readonly number[])[]): Choice[] {
  const choices: Choice[] = [];
  let open = labels;
  for (const [at, right] of answer.entries()) {
    const others = new Set(open.flatMap((label) => label[at] ?? []));
    others.delete(right);
    if (others.size > 0) choices.push({ at, tokens: [right, ...others] });
    open = open.filter((label) => label[at] === right);
  }
  return choices;
}

const names = (prefix: string) =>
  ({
    weights: `${prefix}.weights`,
    total: `${prefix}.total_weight`,
    rows: `${prefix}.choice_rows`,
    tokens: `${prefix}.choice_tokens`,
    mask: `${prefix}.choice_mask`,
    right: `${prefix}.choice_right`,
    choiceWeights: `${prefix}.choice_weights`,
    listed: `${prefix}.listed_weight`,
  }) as const;

const notChosen = -1e9;

/** The weights of a batch's supervised tokens and choices, in the order in which `rowFeeds` lists tokens. */
export function weightFeeds(prefix: string, rows: readonly Row[], { weighBy, listShare }: Weighing): Feeds {
  const weights: number[] = [];
  const chosen: { readonly row: number; readonly tokens: readonly number[]; readonly weight: number }[] = [];
  let total = 0;
  let listed = 0;
  for (const { answers, choices = [] } of rows) {
    for (const [start, to] of answers) {
      const from = Math.max(start, 1);
      const length = to - from;
      if (length <= 0) continue;
      const weight = weighBy === "tokens" ? length : 1;
      const own = choices.filter(({ at }) => at >= from && at < to);
      const share = own.length === 0 ? 0 : listShare;
      if (share > 0)
        for (const { at, tokens } of own)
          chosen.push({ row: weights.length + at - from, tokens, weight: weight * share });
      for (let t = from; t < to; t++) weights.push((weight * (1 - share)) / length);
      total += weight;
      listed += weight * share;
    }
  }
  // A batch without choices has one that counts nothing: no tensor is empty.
  const all = chosen.length > 0 ? chosen : [{ row: 0, tokens: [0], weight: 0 }];
  const width = Math.max(...all.map(({ tokens }) => tokens.length));
  const padded = all.map(({ tokens }) => Array.from({ length: width }, (_, i) => tokens[i] ?? tokens[0]!));
  const mask = all.map(({ tokens }) => Array.from({ length: width }, (_, i) => (i < tokens.length ? 0 : notChosen)));
  const {
    weights: ofTokens,
    total: ofAll,
    rows: ofRows,
    tokens,
    mask: ofMask,
    right,
    choiceWeights,
    listed: ofLists,
  } = names(prefix);
  return {
    [ofTokens]: floatTensor([weights.length], weights),
    [ofAll]: scalarTensor(total),
    [ofRows]: intTensor(
      [all.length, 1],
      all.map(({ row }) => row),
    ),
    [tokens]: intTensor([all.length, width], padded.flat()),
    [ofMask]: floatTensor([all.length, width], mask.flat()),
    [right]: intTensor([all.length], new Int32Array(all.length)),
    [choiceWeights]: floatTensor(
      [all.length],
      all.map(({ weight }) => weight),
    ),
    [ofLists]: scalarTensor(listed > 0 ? listed : 1),
  };
}

/** What a weighed batch counts among others: the total weight of its answers. */
export const totalWeight =
  (prefix: string) =>
  (batch: Feeds): number =>
    Number(batch[names(prefix).total]!.data[0]);

/**
 * The weighed mean of −log p(answer). logits (n, v), targets (n) i64. Reports `tokenLoss`, the plain mean over tokens, and `choiceLoss`, the
 * mean of −log p(label | list) in nats over answers from lists; 0 for a batch without them.
 */
export function weighedLoss(prefix: string, logits: Node, targets: Node): Objective {
  const [rows, vocabulary] = logits.shape as [Dim, number];
  const name = names(prefix);
  const [choices, width] = [`${prefix}_choices`, `${prefix}_choice_width`];
  const perToken = crossEntropy(logits, targets);
  const weighed = sum(mul(perToken, input(name.weights, [rows])));
  const first = mul(input(name.rows, [choices, 1], "i64"), constant(vocabulary, [], "i64"));
  const places = add(first, input(name.tokens, [choices, width], "i64"));
  const flat = reshape(logits, [mulDims(rows, vocabulary), 1]);
  const among = add(reshape(gather(flat, places), [choices, width]), input(name.mask, [choices, width]));
  const perChoice = crossEntropy(among, input(name.right, [choices], "i64"));
  const chosen = sum(mul(perChoice, input(name.choiceWeights, [choices])));
  return {
    loss: div(add(weighed, chosen), input(name.total, [])),
    metrics: { tokenLoss: mean(perToken), choiceLoss: div(chosen, input(name.listed, [])) },
  };
}
