/** @file A trained attacker: reads off gates what was in the prompt, by ridge regression onto classes, judged on prompts it has not seen. */
import { CholeskyDecomposition, Matrix } from "ml-matrix";
import { AppError } from "../../base/errors.ts";
import type { Rng } from "../../base/rng.ts";
import { wilson } from "../../eval/statistics.ts";

export type Attack = {
  /** Prompts that it was trained on, its strength chosen on a part of them; and prompts that it was asked about. */
  readonly trained: number;
  readonly asked: number;
  /** Of those asked, how many it named rightly, with a 95 % interval (Wilson). */
  readonly share: number;
  readonly low: number;
  readonly high: number;
  /** Of a guess. */
  readonly chance: number;
  /** How likely guesses are to do as well, or better. */
  readonly p: number;
};

/** Shares of the prompts: to fit, to choose the strength by, the rest to be asked about. */
const shares = { fit: 0.45, choose: 0.15 } as const;
const strengths = [0.01, 0.1, 1, 10, 100, 1000] as const;
const leastPrompts = 40;

/**
 * Trains on some prompts and asks about others. It sees each gate, and whether it is there at all.
 * @param gates of each prompt, (prompts, L·n)
 * @param classes of each prompt: 0…count − 1
 * @throws E_DATA for fewer than 40 prompts
 */
export function attack(
  gates: readonly (readonly number[])[],
  classes: readonly number[],
  count: number,
  rng: Rng,
): Attack {
  const { length } = gates;
  if (length < leastPrompts)
    throw new AppError("E_DATA", `attacker: expected ${leastPrompts} prompts or more, found ${length}`);
  const order = rng.shuffle(Array.from({ length }, (_, i) => i));
  const cut = Math.round((shares.fit + shares.choose) * length);
  const fit = order.slice(0, Math.round(shares.fit * length));
  const choose = order.slice(fit.length, cut);
  const known = order.slice(0, cut);
  const asked = order.slice(cut);
  const seen = standardized(
    gates.map((row) => [...row, ...row.map((gate) => (gate === 0 ? 0 : 1))]),
    known,
  );
  const kernel = seen.mmul(seen.transpose()); // (prompts, prompts)
  const rightOf = (from: readonly number[], about: readonly number[], strength: number): number =>
    named(kernel, from, about, classes, count, strength).filter((found, i) => found === classes[about[i]!]).length;
  const scored = strengths.map((strength) => ({ strength, right: rightOf(fit, choose, strength) }));
  const best = scored.reduce((a, b) => (b.right > a.right ? b : a)).strength;
  const right = rightOf(known, asked, best);
  const chance = 1 / count;
  const p = tailOf(right, asked.length, chance);
  return {
    trained: known.length,
    asked: asked.length,
    share: right / asked.length,
    ...wilson(right, asked.length),
    chance,
    p,
  };
}

/** Columns of mean 0 and deviation 1 over the known rows; those that never change there tell nothing. A column of ones beside them. */
function standardized(rows: readonly (readonly number[])[], known: readonly number[]): Matrix {
  const width = rows[0]!.length;
  const columns: number[][] = [];
  for (let column = 0; column < width; column++) {
    const values = known.map((row) => rows[row]![column]!);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    if (deviation > 1e-9) columns.push(rows.map((row) => (row[column]! - mean) / deviation));
  }
  return new Matrix([...columns, rows.map(() => 1)]).transpose();
}

/** The class of each prompt asked about: the largest of K(asked, from) · (K(from, from) + λI)⁻¹ · Y. */
function named(
  kernel: Matrix,
  from: readonly number[],
  about: readonly number[],
  classes: readonly number[],
  count: number,
  strength: number,
): number[] {
  const among = kernel.selection([...from], [...from]).add(Matrix.eye(from.length).mul(strength));
  const wanted = new Matrix(
    from.map((row) => Array.from({ length: count }, (_, each) => (classes[row] === each ? 1 : 0))),
  );
  const scores = kernel.selection([...about], [...from]).mmul(new CholeskyDecomposition(among).solve(wanted));
  return about.map((_, i) => scores.maxRowIndex(i)[1]!);
}

/** P(X ≥ right) of a binomial distribution. */
function tailOf(right: number, asked: number, chance: number): number {
  let logOne = asked * Math.log(1 - chance); // of exactly k
  let below = 0;
  for (let k = 0; k < right; k++) {
    below += Math.exp(logOne);
    logOne += Math.log((asked - k) / (k + 1)) + Math.log(chance / (1 - chance));
  }
  return Math.min(1, Math.max(0, 1 - below));
}
