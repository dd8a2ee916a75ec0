import { describe, expect, test } from "vitest";
import { createRng } from "../base/rng.ts";
import { type ForcedQuery, type PackedRow, packQueries } from "./packing.ts";

/** What a token of a row sees, itself included, by the rule of `PackedRow`. */
const seenBy = ({ tokens, until }: PackedRow, at: number): number[] =>
  [...tokens.keys()].filter((other) => other <= at && at < until[other]!);

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
    expect(rows.flatMap(({ members }) => members.map(({ index }) => index))).toEqual([...queries.keys()]);
    for (const row of rows) {
      const used = new Set<number>();
      for (const { index, answers: paths } of row.members) {
        const { prompt, answers } = queries[index]!;
        for (const [j, answer] of answers.entries()) {
          for (const [i, id] of answer.entries()) {
            const { asked, token } = row.edges[paths[j]![i]!]!;
            const seen = seenBy(row, row.askedAt[asked]!);
            expect(seen.map((at) => row.tokens[at])).toEqual([...prompt, ...answer.slice(0, i)]);
            expect(seen.map((at) => row.positions[at])).toEqual([...seen.keys()]);
            expect(token).toBe(id);
            used.add(asked);
          }
        }
      }
      expect(row.askedAt).toHaveLength(used.size);
    }
  });

  test("hold what they share once per row", () => {
    const rows = packQueries(randomQueries(2, 40, 200));
    for (const { until, tokens } of rows) {
      expect(until.filter((end) => end === tokens.length).length).toBeGreaterThanOrEqual(200);
      expect(tokens.length).toBeLessThanOrEqual(256 + 2 * 200);
    }
    expect(rows.length).toBeLessThan(6);
  });

  test("that are all the same keep a token of their own", () => {
    const [row] = packQueries([1, 2].map(() => ({ prompt: [5, 6, 7], answers: [[8, 9]] })));
    expect(row!.tokens).toEqual([5, 6, 7, 8, 7, 8]);
    expect(row!.positions).toEqual([0, 1, 2, 3, 2, 3]);
    expect(row!.until).toEqual([6, 6, 4, 4, 6, 6]);
  });

  test("longer than any row get one to themselves", () => {
    const long = { prompt: new Array<number>(400).fill(1), answers: [[2]] };
    const rows = packQueries([long, { prompt: [3], answers: [[2]] }, long]);
    expect(rows.map(({ members }) => members.map(({ index }) => index))).toEqual([[0], [1], [2]]);
  });

  test("read a beginning that several answers share once, and ask for what follows it in one place", () => {
    const answers = [
      [1, 2, 3, 9],
      [1, 2, 4, 9],
      [1, 9],
      [5, 9],
      [1, 2, 3, 9],
    ];
    const [row] = packQueries([{ prompt: [7, 8], answers }]);
    expect(row!.tokens).toEqual([7, 8, 1, 2, 3, 4, 5]); // 9 ends every answer and is never read
    expect(row!.askedAt).toEqual([1, 2, 3, 4, 5, 6]);
    expect(row!.edges).toHaveLength(2 + 2 + 2 + 1 + 1 + 1);
    expect(row!.members[0]!.answers[4]).toEqual(row!.members[0]!.answers[0]);
  });

  test("may be none", () => {
    expect(packQueries([])).toEqual([]);
  });
});
