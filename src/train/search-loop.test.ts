import { expect, test } from "vitest";
import { type Search, searchLoop } from "./search-loop.ts";

const goal = [0.7, -1.3, 2];
const distance = (candidate: readonly number[]): number =>
  candidate.reduce((sum, value, i) => sum + (value - goal[i]!) ** 2, 0);

/** The optimum lies one deviation from the start. */
const search = (changes: Partial<Search> = {}): Search => ({
  start: { mean: [0, 0, 0], deviation: [2, 2, 2] },
  population: 40,
  elites: 8,
  generations: 25,
  seed: 3,
  score: (candidate) => -distance(candidate),
  ...changes,
});

test("it finds the optimum of a score without gradients, and its scatter shrinks on the way", async () => {
  const { best, state, history, interrupted } = await searchLoop(search());
  expect(distance(state.mean)).toBeLessThan(1e-4);
  expect(distance(best.candidate)).toBe(-best.score);
  expect(best.score).toBe(Math.max(...history.map(({ best: top }) => top)));
  expect(history).toHaveLength(25);
  expect(history[24]!.deviation).toBeLessThan(history[0]!.deviation / 100);
  expect(interrupted).toBe(false);
});

test("within bounds it finds the nearest point to an optimum beyond them, and beats random shooting", async () => {
  const bounded = { bounds: [-1, 1], generations: 12 } as const;
  const { best, history } = await searchLoop(search({ ...bounded, keepsBest: true }));
  expect(best.candidate.map((value) => Number(value.toFixed(2)))).toEqual([0.7, -1, 1]);
  const tops = history.map((record) => record.best);
  expect(tops).toEqual([...tops].sort((a, b) => a - b)); // the best is in every generation
  const shot = await searchLoop(search({ ...bounded, fits: false }));
  expect(shot.state).toEqual(search().start);
  expect(shot.history).toHaveLength(12);
  expect(shot.best.score).toBeLessThan(best.score);
});

test("the first generation begins with the candidates that are given", async () => {
  const seen: (readonly number[])[] = [];
  const score = (candidate: readonly number[]) => seen.push(candidate);
  await searchLoop(search({ generations: 1, first: [goal, [0, 0, 0]], score }));
  expect(seen.slice(0, 2)).toEqual([goal, [0, 0, 0]]);
  expect(seen).toHaveLength(40);
  await expect(searchLoop(search({ first: [[1]] }))).rejects.toMatchObject({ code: "E_CONFIG" });
});

test("the seed decides the search, however long a score takes", async () => {
  const slow = search({
    generations: 3,
    score: async (candidate) => {
      await Promise.resolve();
      return -distance(candidate);
    },
  });
  const found = await searchLoop(search({ generations: 3 }));
  expect(await searchLoop(slow)).toEqual(found);
  expect((await searchLoop(search({ generations: 3, seed: 4 }))).best).not.toEqual(found.best);
});

test("all candidates of a generation are scored on the same draws, those of another one on others", async () => {
  const draws = new Map<number, Set<number>>();
  await searchLoop(
    search({
      generations: 2,
      score: (_, { rng, generation, index }) => {
        draws.set(generation, (draws.get(generation) ?? new Set()).add(rng.next()));
        return -index;
      },
    }),
  );
  expect([...draws.values()].map(({ size }) => size)).toEqual([1, 1]);
  expect(draws.get(0)).not.toEqual(draws.get(1));
});

test("a candidate without a score is none of the best; without any score the search stops", async () => {
  const found = await searchLoop(search({ generations: 1, score: (_, { index }) => (index === 5 ? 1 : Number.NaN) }));
  expect(found.best.score).toBe(1);
  expect(found.history[0]).toMatchObject({ best: 1, mean: 1 });
  await expect(searchLoop(search({ score: () => Number.NaN }))).rejects.toMatchObject({ code: "E_NAN" });
});

test("stopped, it returns what the finished generations found", async () => {
  const stop = new AbortController();
  const whole = await searchLoop(search({ generations: 2 }));
  const stopped = search({
    score: (candidate, { generation, index }) => {
      if (generation === 2 && index === 7) stop.abort();
      return -distance(candidate);
    },
  });
  expect(await searchLoop(stopped, { signal: stop.signal })).toEqual({ ...whole, interrupted: true });
  await expect(searchLoop(search(), { signal: stop.signal })).rejects.toMatchObject({ code: "E_INTERRUPTED" });
});

test.each([
  ["no generation", { generations: 0 }],
  ["a start without deviations", { start: { mean: [1], deviation: [] } }],
  ["a start that is infinite", { start: { mean: [Infinity], deviation: [1] } }],
])("%s is refused", async (_, changes) => {
  await expect(searchLoop(search(changes))).rejects.toMatchObject({ code: "E_CONFIG" });
});
