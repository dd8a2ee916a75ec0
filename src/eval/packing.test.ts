import { describe, expect, test } from "vitest";
import { createRng } from "../base/rng.ts";
import { type ForcedQuery, type PackedRow, packQueries } from "./packing.ts";

/** What a token of a row sees, itself included, by the rule of `PackedRow`. */
const seenBy = ({ tokens, positions, queries, answers }: PackedRow, at: number): number[] =>
  [...tokens.keys()]
    .filter((other) => positions[other]! <= positions[at]!)
    .filter((other) => queries[other] === 0 || queries[other] === queries[at])
    .filter((other) => answers[other] === 0 || answers[other] === answers[at]);

function randomQueries(seed: number, count: number, shared: number): ForcedQuery[] {
  const rng = createRng(seed);
  const ids = (length: number) => Array.from({ length }, () => rng.int(9));
  const beginning = ids(shared);
  return Array.from({ length: count }, () => ({
    prompt: [...beginning, 10 + rng.int(9), ...ids(rng.int(30))],
    answers: Array.from({ length: 1 + rng.int(4) }, () => ids(1 + rng.int(6))),
  }));
}

describe("packed queries", () => {
  test("each see their own tokens in order, and nothing else", () => {
    const queries = randomQueries(1, 40, 20);
    const rows = packQueries(queries);
    expect(rows.length).toBeGreaterThan(1);
    expect(rows.flatMap(({ members }) => members)).toEqual([...queries.keys()]);
    for (const row of rows) {
      let asked = 0;
      for (const index of row.members) {
        const { prompt, answers } = queries[index]!;
        for (const answer of answers) {
          for (const [i, id] of answer.entries()) {
            const seen = seenBy(row, row.askedAt[asked]!);
            expect(seen.map((at) => row.tokens[at])).toEqual([...prompt, ...answer.slice(0, i)]);
            expect(seen.map((at) => row.positions[at])).toEqual([...seen.keys()]);
            expect(row.targets[asked]).toBe(id);
            asked++;
          }
        }
      }
      expect(row.askedAt).toHaveLength(asked);
    }
  });

  test("hold what they share once per row", () => {
    const rows = packQueries(randomQueries(2, 40, 200));
    for (const { queries, tokens } of rows) {
      expect(queries.filter((query) => query === 0)).toHaveLength(200);
      expect(tokens.length).toBeLessThanOrEqual(256 + 2 * 200);
    }
    expect(rows.length).toBeLessThan(6);
  });

  test("that are all the same keep a token of their own", () => {
    const [row] = packQueries([1, 2].map(() => ({ prompt: [5, 6, 7], answers: [[8, 9]] })));
    expect(row!.tokens).toEqual([5, 6, 7, 8, 7, 8]);
    expect(row!.positions).toEqual([0, 1, 2, 3, 2, 3]);
    expect(row!.queries).toEqual([0, 0, 1, 1, 2, 2]);
  });

  test("longer than any row get one to themselves", () => {
    const long = { prompt: new Array<number>(400).fill(1), answers: [[2]] };
    const rows = packQueries([long, { prompt: [3], answers: [[2]] }, long]);
    expect(rows.map(({ members }) => members)).toEqual([[0], [1], [2]]);
  });

  test("may be none", () => {
    expect(packQueries([])).toEqual([]);
  });
});
