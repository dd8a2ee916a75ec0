/** @file Gated short convolutions over the tokens that a token sees, in the form that has a gradient. */
import {
  add,
  broadcast,
  cast,
  constant,
  flattenRows,
  gather,
  iota,
  less,
  max,
  mul,
  reshape,
  size,
  slice,
  sub,
  where,
} from "../graph/build.ts";
import type { Dim, Node } from "../graph/types.ts";

/** Values x (b, t, d) of tokens → those of the one before each, of the one before that, … (b, t, d) each; zeros where there is none. */
export type Before = (x: Node) => readonly Node[];

/**
 * c ⊙ Σ_j w_j ⊙ u_{t−j}, u = b ⊙ x: each channel by itself, as LFM 2 has it.
 * @param mapped (b, t, 3d): b, c and x
 * @param taps (d, 1, width): the factors of each channel, that of the token itself last
 * @returns (b, t, d)
 */
export function gatedConvolution(mapped: Node, taps: Node, before: Before): Node {
  const [channels, , width] = taps.shape as [number, number, number];
  const part = (i: number) => slice(mapped, 2, i * channels, (i + 1) * channels);
  const own = mul(part(0), part(2));
  const terms = [own, ...before(own)].map((value, back) => {
    const at = width - 1 - back;
    return mul(value, reshape(slice(taps, 2, at, at + 1), [channels]));
  });
  return mul(part(1), terms.reduce(add));
}

/**
 * The `count` tokens that each token sees last before itself, wherever in its row they lie.
 * @param mask what tokens see, (t, t) or (b, 1, t, t): 0 where one sees another, −1e9 where not
 * @returns given `past` (b or 1, n, d), values that all tokens of a row have in front of those they see, the last one nearest
 */
export function seenBefore(mask: Node, batch: Dim, time: Dim, count: number): (past?: Node) => Before {
  const rows = mask.shape.length === 2 ? 1 : batch;
  const steps = cast(iota(time), "f32");
  const key = reshape(steps, [1, 1, time]);
  const none = constant(-1);
  const seen = where(less(none, reshape(mask, [rows, time, time])), key, none);
  let bound = reshape(steps, [1, time, 1]);
  const found: Node[] = [];
  for (let back = 0; back < count; back++) {
    bound = max(where(less(key, bound), seen, none), [2], { keepDims: true });
    found.push(bound);
  }
  const zero = constant(0);
  const row = cast(reshape(iota(batch), [batch, 1, 1]), "f32");
  /** Values at places (b, t, 1) of each row, otherwise where a place is negative. */
  const valuesAt = (values: Node, at: Node, starts: Node, otherwise: Node): Node => {
    const isThere = less(constant(-0.5), at);
    const index = cast(add(where(isThere, at, zero), starts), "i64");
    return where(isThere, gather(flattenRows(values), reshape(index, [batch, time])), otherwise);
  };
  return (past) => (x) => {
    let seenCount: Node = zero;
    return found.map((at, back) => {
      const missing = past === undefined ? zero : inPast(past, add(constant(-1 - back), seenCount));
      seenCount = add(seenCount, where(less(constant(-0.5), at), constant(1), zero));
      return valuesAt(x, at, mul(row, size([time])), missing);
    });
  };

  /** @param at −1: the last of the past; broadcasts with (b, t, 1) */
  function inPast(past: Node, at: Node): Node {
    const [rows, count] = past.shape as [Dim, number, number];
    const places = broadcast(add(constant(count), at), [batch, time, 1]);
    return valuesAt(past, places, mul(row, constant(rows === 1 ? 0 : count)), zero);
  }
}

/** The same where tokens go on behind others. @param past (b, n, d): what was read last before the first token, the last one behind the others */
export function firstBefore(x: Node, past: Node): readonly Node[] {
  const [, time] = x.shape as [Dim, Dim, Dim];
  const steps = reshape(iota(time), [1, time]);
  return Array.from({ length: past.shape[1] as number }, (_, i) => behindPast(x, past, sub(steps, whole(i + 1))));
}

/** What was read last, as many as there are in the past: (b, t, d) behind (b, n, d) → (b, n, d). */
export function lastRead(x: Node, past: Node): Node {
  const count = past.shape[1] as number;
  const places = Array.from({ length: count }, (_, i) => i - count);
  return behindPast(x, past, add(constant(places, [1, count], "i64"), cast(size([x.shape[1]!]), "i64")));
}

const whole = (value: number): Node => constant(value, [], "i64");

/** Values of x (b, t, d) at places (1, m) i64 of each row, where −1 is the last of past (b, n, d): (b, m, d). */
function behindPast(x: Node, past: Node, at: Node): Node {
  const [batch, time] = x.shape as [Dim, Dim, Dim];
  const count = past.shape[1] as number;
  const row = reshape(iota(batch), [batch, 1]);
  const isPast = less(at, whole(0));
  const pick = (values: Node, length: Node, place: Node) => gather(flattenRows(values), add(place, mul(row, length)));
  return where(
    reshape(isPast, [1, at.shape[1]!, 1]),
    pick(past, whole(count), where(isPast, add(at, whole(count)), whole(0))),
    pick(x, cast(size([time]), "i64"), where(isPast, whole(0), at)),
  );
}
