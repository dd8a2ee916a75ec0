import { expect, test } from "vitest";
import { createRng } from "../base/rng.ts";
import { add, input } from "../graph/build.ts";
import { interpret } from "../graph/interpret.ts";
import { numbersOf, type Tensor, tensor } from "../graph/tensor.ts";
import type { Node } from "../graph/types.ts";
import { attend, causalMask, defaultPositions, joinHeads, segmentMask, splitHeads } from "./attention.ts";

const rng = createRng("attention");
const draw = (shape: readonly number[]): Tensor =>
  tensor(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
  );
const evaluate = (node: Node, inputs: Record<string, Tensor>): number[] =>
  numbersOf(interpret({ outputs: { y: node } }, { inputs })["y"]!);

const [batch, heads, kvHeads, time, width] = [2, 4, 2, 5, 3];
const scale = 0.6;
const values = {
  q: draw([batch, heads, time, width]),
  k: draw([batch, kvHeads, time, width]),
  v: draw([batch, kvHeads, time, width]),
};

/** Attention by its definition, with `sees(query, key)` as the mask. */
function plainAttention(sees: (sample: number, query: number, key: number) => boolean): number[] {
  const at = ({ data }: Tensor, b: number, h: number, of: number, t: number, i: number) =>
    Number(data[((b * of + h) * time + t) * width + i]);
  const out: number[] = [];
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < heads; h++)
      for (let t = 0; t < time; t++) {
        const shared = Math.floor((h * kvHeads) / heads);
        const keys = Array.from({ length: time }, (_, s) => s).filter((s) => sees(b, t, s));
        const weights = keys.map((s) => {
          let score = 0;
          for (let i = 0; i < width; i++)
            score += at(values.q, b, h, heads, t, i) * at(values.k, b, shared, kvHeads, s, i);
          return Math.exp(score * scale);
        });
        const total = weights.reduce((a, c) => a + c, 0);
        for (let i = 0; i < width; i++)
          out.push(keys.reduce((sum, s, j) => sum + (weights[j]! / total) * at(values.v, b, shared, kvHeads, s, i), 0));
      }
  return out;
}

function attended(mask: Node): Node {
  const node = (name: keyof typeof values) => input(name, values[name].shape);
  return attend(node("q"), node("k"), node("v"), mask, { scale });
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, 9);
  });
}

test("grouped queries attend to what came before, keys shared by heads", () => {
  expectClose(
    evaluate(attended(causalMask(time)), values),
    plainAttention((_, query, key) => key <= query),
  );
});

test("a window of two sees the token itself and the one before", () => {
  expectClose(
    evaluate(attended(causalMask(time, 2)), values),
    plainAttention((_, query, key) => key <= query && key > query - 2),
  );
});

const node = (name: string) => input(name, [batch, time], "i64");

test("sequences joined in a row do not see each other", () => {
  const ids = [
    [0, 0, 1, 1, 1],
    [0, 1, 1, 1, 2],
  ];
  const segments = tensor([batch, time], ids.flat(), "i64");
  const mask = add(causalMask(time), segmentMask(node("segments"), node("sees")));
  expectClose(
    evaluate(attended(mask), { ...values, segments, sees: segments }),
    plainAttention((b, query, key) => key <= query && ids[b]![query] === ids[b]![key]),
  );
});

test("a sequence sees itself and the one it goes on from", () => {
  const ids = [
    [0, 0, 1, 2, 2],
    [0, 1, 1, 1, 2],
  ];
  const seen = [
    [0, 0, 0, 0, 0],
    [0, 1, 1, 1, 1],
  ];
  const segments = tensor([batch, time], ids.flat(), "i64");
  const sees = tensor([batch, time], seen.flat(), "i64");
  const mask = add(causalMask(time), segmentMask(node("segments"), node("sees")));
  expectClose(
    evaluate(attended(mask), { ...values, segments, sees }),
    plainAttention(
      (b, query, key) => key <= query && (ids[b]![query] === ids[b]![key] || seen[b]![query] === ids[b]![key]),
    ),
  );
});

test("heads are split and joined without loss", () => {
  const x = draw([batch, time, heads * width]);
  const node = input("x", ["batch", "time", heads * width]);
  expect(evaluate(joinHeads(splitHeads(node, heads)), { x })).toEqual(numbersOf(x));
});

test("positions count from zero in every row", () => {
  const x = draw([2, 3]);
  const [b, t] = input("x", ["batch", "time"]).shape;
  const positions = add(defaultPositions(b!, t!), input("zero", ["batch", "time"], "i64"));
  const zero = tensor([2, 3], new Array(6).fill(0), "i64");
  expect(evaluate(positions, { zero, x })).toEqual([0, 1, 2, 0, 1, 2]);
});
