import { expect, test } from "vitest";
import { realTokens, requireContext, rowFeeds } from "./batch.ts";
import { joinRows } from "./task-batches.ts";

const numbers = (feeds: ReturnType<typeof rowFeeds>) =>
  Object.fromEntries(
    Object.entries(feeds).map(([name, { shape, data }]) => [name, { shape, data: [...data].map(Number) }]),
  );

test("rows are padded on the right; each answer token is predicted from the token before it", () => {
  const feeds = rowFeeds(
    "p",
    [
      { ids: [10, 11, 12, 13], answers: [[2, 4]] },
      { ids: [20, 21], answers: [[1, 2]] },
    ],
    0,
  );
  expect(numbers(feeds)).toEqual({
    "p.tokens": { shape: [2, 3], data: [10, 11, 12, 20, 0, 0] },
    "p.segments": { shape: [2, 3], data: [0, 0, 0, 0, 0, 0] },
    "p.sees": { shape: [2, 3], data: [0, 0, 0, 0, 0, 0] },
    "p.positions": { shape: [2, 3], data: [0, 1, 2, 0, 0, 0] },
    "p.rows": { shape: [3], data: [1, 2, 3] },
    "p.targets": { shape: [3], data: [12, 13, 21] },
  });
});

test("the first token of a row is never predicted, even where the whole row is an answer", () => {
  const feeds = numbers(rowFeeds("p", [{ ids: [10, 11, 12], answers: [[0, 3]] }], 0));
  expect(feeds["p.rows"]!.data).toEqual([0, 1]);
  expect(feeds["p.targets"]!.data).toEqual([11, 12]);
});

test("sequences joined in a row keep their answers and count positions from zero; padding stands at position zero", () => {
  const rows = [
    { ids: [10, 11, 12], answers: [[1, 3]] as const },
    { ids: [20, 21], answers: [[1, 2]] as const },
    { ids: [30, 31, 32], answers: [[2, 3]] as const },
  ];
  const joined = joinRows(rows, 5);
  expect(joined.map(({ ids }) => ids)).toEqual([
    [10, 11, 12, 20, 21],
    [30, 31, 32],
  ]);
  const feeds = numbers(rowFeeds("p", joined, 0));
  expect(feeds["p.segments"]).toEqual({ shape: [2, 4], data: [0, 0, 0, 1, 0, 0, 0, 0] });
  expect(feeds["p.positions"]).toEqual({ shape: [2, 4], data: [0, 1, 2, 0, 0, 1, 0, 0] });
  expect(feeds["p.targets"]!.data).toEqual([11, 12, 21, 32]);
  expect(feeds["p.rows"]!.data).toEqual([0, 1, 3, 5]);
});

test("a row longer than the capacity stays alone and whole", () => {
  const long = { ids: [1, 2, 3, 4], answers: [[1, 4]] as const };
  expect(joinRows([long, { ids: [5], answers: [] }], 2).map(({ ids }) => ids)).toEqual([[1, 2, 3, 4], [5]]);
});

test("a sequence longer than the context is refused with both counts, joined ones count alone", () => {
  const ids = new Array<number>(21).fill(1);
  expect(() => requireContext([{ ids, answers: [] }], 20)).not.toThrow();
  expect(() => requireContext([{ ids, answers: [] }], 19)).toThrow(/20 tokens .* context of 19/);
  expect(() => requireContext([{ ids, answers: [], starts: [0, 10] }], 10)).not.toThrow();
});

test("padding is told by its place, not by its id: an end token that also pads is a token where a row has one", () => {
  const end = 2;
  const joined = joinRows(
    [
      { ids: [end, 11, end], answers: [] },
      { ids: [end, 12, end], answers: [] },
    ],
    6,
  );
  const feeds = rowFeeds("p", [...joined, { ids: [10, end, 13], answers: [] }], end);
  expect([...realTokens("p", feeds).data]).toEqual([1, 1, 1, 1, 1, 1, 1, 0, 0, 0]);
});
