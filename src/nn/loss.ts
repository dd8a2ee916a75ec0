/** @file Losses over chosen rows: only supervised positions pay for the vocabulary product. */
import { add, constant, crossEntropy, div, exp, log, max, mean, mul, size, softmax, sub, sum } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";

/** The mean of −log p(target) over rows. logits (n, v), targets (n) i64. */
export const meanCrossEntropy = (logits: Node, targets: Node): Node => mean(crossEntropy(logits, targets));

/** x − max − log Σ exp(x − max) over the last axis. */
export function logSoftmax(logits: Node): Node {
  const shifted = sub(logits, max(logits, [-1], { keepDims: true }));
  return sub(shifted, log(sum(exp(shifted), [-1], { keepDims: true })));
}

/** KL(teacher ‖ student) per row (n). logits (n, v) each; no gradient reaches a frozen teacher. */
export function klPerRow(teacher: Node, student: Node): Node {
  return sum(mul(softmax(teacher), sub(logSoftmax(teacher), logSoftmax(student))), [-1]);
}

/** α · (σ/μ)² of the gates each expert received in a batch (LoRA-Gen eq. 7). importance (n); population variance. */
export function cvSquared(importance: Node): Node {
  const mu = mean(importance);
  const centred = sub(importance, mu);
  return div(mean(mul(centred, centred)), add(mul(mu, mu), constant(1e-10)));
}

/** (σ/μ)² with the unbiased variance: values of any shape, at least two. */
export function cvSquaredUnbiased(values: Node): Node {
  const count = size(values.shape);
  return mul(cvSquared(values), div(count, sub(count, constant(1))));
}
