/** @file The seam between decoding and whatever restricts an answer: which tokens may come next. */

/**
 * From the tokens generated so far to the ids that may follow, each once; among them the end tokens where the answer may end. None: the
 * answer is complete. What it returns is read before the next call and not written to.
 */
export type Constraint = (soFar: readonly number[]) => ArrayLike<number>;

/** Leaves the logits of allowed tokens alone and takes those of all others out of the draw. */
export type Mask = (logits: Float32Array, allowed: ArrayLike<number>) => Float32Array;

/** A mask with room of its own: what it returns is valid until the next call. */
export function createMask(vocab: number): Mask {
  const masked = new Float32Array(vocab);
  return (logits, allowed) => {
    masked.fill(Number.NEGATIVE_INFINITY);
    for (let i = 0; i < allowed.length; i++) masked[allowed[i]!] = logits[allowed[i]!]!;
    return masked;
  };
}

/** log p(id) among the allowed tokens, at a temperature. */
export function logShare(logits: Float32Array, allowed: ArrayLike<number>, id: number): number {
  let top = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < allowed.length; i++) top = Math.max(top, logits[allowed[i]!]!);
  let total = 0;
  for (let i = 0; i < allowed.length; i++) total += Math.exp(logits[allowed[i]!]! - top);
  return logits[id]! - top - Math.log(total);
}
