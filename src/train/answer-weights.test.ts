import { describe, expect, test } from "vitest";
import { input, sum } from "../graph/build.ts";
import { grad } from "../graph/grad.ts";
import { interpret } from "../graph/interpret.ts";
import { numbersOf, tensor } from "../graph/tensor.ts";
import { compile } from "../runtime/node.ts";
import type { Feeds } from "../runtime/session.ts";
import { floats, floatTensor } from "../runtime/tensor.ts";
import { choicesAmong, totalWeight, type Weighing, weighedLoss, weightFeeds } from "./answer-weights.ts";
import { type Row, rowFeeds } from "./batch.ts";

const vocabulary = 7;
const end = 6;

/** An input of one token, then an answer from a list of labels, or a free one. */
const answered = (answer: readonly number[], labels: readonly (readonly number[])[] = []): Row => ({
  ids: [0, ...answer],
  answers: [[1, 1 + answer.length]],
  choices: choicesAmong(answer, labels).map(({ at, tokens }) => ({ at: 1 + at, tokens })),
});

const labels = [
  [1, 2, end],
  [1, 3, end],
  [1, 3, 4, end],
  [5, end],
];

/** Loss, metrics and the gradient by logits (n, v) of one value each. */
function measure(rows: readonly Row[], weighing: Weighing, logits: readonly number[]) {
  const feeds = { ...rowFeeds("edge", rows, 0), ...weightFeeds("edge", rows, weighing) };
  const n = logits.length / vocabulary;
  const predicted = input("logits", [n, vocabulary]);
  const { loss, metrics } = weighedLoss("edge", predicted, input("edge.targets", [n], "i64"));
  const outputs = { loss, ...metrics, gradient: grad(loss, [predicted])[0]! };
  const tensors = Object.fromEntries(
    Object.entries(feeds).map(([name, { shape, data, dtype }]) => [
      name,
      tensor(shape, Array.from(data as ArrayLike<number | bigint>, Number), dtype),
    ]),
  );
  const found = interpret({ outputs }, { inputs: { ...tensors, logits: tensor([n, vocabulary], [...logits]) } });
  const numbersIn = (name: string) => numbersOf(found[name]!);
  const one = (name: string) => numbersIn(name)[0]!;
  return {
    loss: one("loss"),
    tokenLoss: one("tokenLoss"),
    choiceLoss: one("choiceLoss"),
    gradient: numbersIn("gradient"),
    feeds,
  };
}

const wave = (rows: number) => Array.from({ length: rows * vocabulary }, (_, i) => Math.sin(3 * i) * 2);
const softmax = (logits: readonly number[]) => {
  const total = logits.reduce((all, x) => all + Math.exp(x), 0);
  return logits.map((x) => Math.exp(x) / total);
};

test("a list leaves a choice where its labels part, with the right token first; an end is a choice where one begins another", () => {
  expect(choicesAmong([1, 3, end], labels)).toEqual([
    { at: 0, tokens: [1, 5] },
    { at: 1, tokens: [3, 2] },
    { at: 2, tokens: [end, 4] },
  ]);
  expect(choicesAmong([5, end], labels)).toEqual([{ at: 0, tokens: [5, 1] }]);
  expect(choicesAmong([5, end], [[5, end]])).toEqual([]);
  expect(
    choicesAmong(
      [1, 3],
      [
        [1, 3],
        [1, 3, 4],
      ],
    ),
  ).toEqual([]); // without an end token nothing tells them apart
});

test("with all of the loss on the choice it is −log p(label | list), which sums to 1 over the labels", () => {
  const logits = wave(4);
  let total = 0;
  for (const label of labels) {
    const row = answered(label, labels);
    const own = logits.slice(0, label.length * vocabulary);
    const { loss, choiceLoss } = measure([row], { weighBy: "answers", listShare: 1 }, own);
    expect(choiceLoss).toBeCloseTo(loss, 12);
    total += Math.exp(-loss);
  }
  expect(total).toBeCloseTo(1, 12);
});

test("by answers a long and a short answer count alike, by tokens as they are long; the plain mean is reported beside", () => {
  const rows = [answered([1, 2, 3, end]), answered([4])];
  const logits = wave(5);
  const each = [1, 2, 3, end, 4].map(
    (id, i) => -Math.log(softmax(logits.slice(i * vocabulary, (i + 1) * vocabulary))[id]!),
  );
  const [long, short] = [(each[0]! + each[1]! + each[2]! + each[3]!) / 4, each[4]!];
  const byAnswers = measure(rows, { weighBy: "answers", listShare: 0.5 }, logits);
  expect(byAnswers.loss).toBeCloseTo((long + short) / 2, 12);
  expect(byAnswers.choiceLoss).toBe(0);
  expect(totalWeight("edge")(byAnswers.feeds)).toBe(2);
  const byTokens = measure(rows, { weighBy: "tokens", listShare: 0.5 }, logits);
  expect(byTokens.loss).toBeCloseTo((4 * long + short) / 5, 12);
  expect(byTokens.tokenLoss).toBeCloseTo((4 * long + short) / 5, 12);
  expect(totalWeight("edge")(byTokens.feeds)).toBe(5);
});

test("a share on the choice leaves the rest on the label's tokens", () => {
  const [closed, free] = [answered([1, 2, end], labels), answered([4, end])];
  const logits = wave(5);
  const loss = (listShare: number) => measure([closed, free], { weighBy: "answers", listShare }, logits).loss;
  expect(loss(0.3)).toBeCloseTo(0.7 * loss(0) + 0.3 * loss(1), 6);
  expect(loss(0)).not.toBeCloseTo(loss(1), 2);
});

describe("over two rows, one closed", () => {
  const rows = [answered([1, 3, end], labels), answered([4, end])];
  const weighing: Weighing = { weighBy: "answers", listShare: 0.8 };
  const logits = wave(5);

  test("the gradient is that of small differences", () => {
    const { gradient } = measure(rows, weighing, logits);
    for (const place of [1, 5, 10, 13, 20, 25, 34]) {
      const moved = (by: number) =>
        measure(
          rows,
          weighing,
          logits.map((x, i) => (i === place ? x + by : x)),
        ).loss;
      expect(gradient[place]).toBeCloseTo((moved(1e-5) - moved(-1e-5)) / 2e-5, 8);
    }
  });

  test("ONNX Runtime says the same", async () => {
    const { loss, gradient, feeds } = measure(rows, weighing, logits);
    const predicted = input("logits", ["edge_answers", vocabulary]);
    const found = weighedLoss("edge", predicted, input("edge.targets", ["edge_answers"], "i64"));
    await using session = await compile({
      outputs: { loss: found.loss, gradient: grad(sum(found.loss), [predicted])[0]! },
    });
    const wanted = Object.entries(feeds).filter(([name]) => /weight|choice|targets/.test(name));
    const all: Feeds = { ...Object.fromEntries(wanted), logits: floatTensor([5, vocabulary], logits) };
    const out = await session.run(all);
    expect(floats(out["loss"]!)[0]).toBeCloseTo(loss, 5);
    floats(out["gradient"]!).forEach((value, i) => {
      expect(value).toBeCloseTo(gradient[i]!, 5);
    });
  });
});
