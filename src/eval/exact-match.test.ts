import { describe, expect, test } from "vitest";
import { talkativeModel, smallTokenizer as tokenizer } from "../../test/support/talkative-model.ts";
import { createRng, type Rng } from "../base/rng.ts";
import { createDecoder } from "../decode/decoder.ts";
import { isGreedyAnswer, judge, type Verdict } from "./exact-match.ts";
import { createTeacherForcing } from "./teacher-forcing.ts";

const end = tokenizer.eosId!;
const options = { tokenizer, stopIds: [end] };

/** Variants of a text that a greedy answer may or may not equal. */
function variants(text: string, rng: Rng): string[] {
  const at = rng.int(text.length + 1);
  return [
    text,
    text.trim(),
    ` ${text}\n`,
    text.slice(0, at),
    text.slice(0, at) + text.slice(at + 1),
    `${text}a`,
    "band",
  ];
}

test("the fast path never contradicts greedy decoding, and what it leaves open decoding settles", async () => {
  const count: Record<Verdict, number> = { equal: 0, different: 0, open: 0 };
  const openOutcomes = new Set<boolean>();
  for (let seed = 1; seed <= 4; seed++) {
    const model = talkativeModel(seed);
    await using decoder = await createDecoder(model, { threads: 1 });
    await using forcing = await createTeacherForcing(model, { threads: 1 });
    const rng = createRng(seed);
    const queries: { prompt: number[]; target: string; isRight: boolean }[] = [];
    for (let i = 0; i < 20; i++) {
      const prompt = Array.from({ length: 1 + rng.int(10) }, () => rng.int(tokenizer.vocabSize));
      const { text, finish } = await decoder.generate(prompt, { maxTokens: 24, tokenizer, stopIds: [end] });
      for (const target of variants(text!.slice(0, 20), rng)) {
        const isRight = finish === "stop" && text!.trim() === target.trim();
        if (target.trim() !== "") queries.push({ prompt, target, isRight });
      }
    }
    const rows = queries.map(({ prompt, target }) => ({ prompt, answers: [[...tokenizer.encode(target), end]] }));
    const results = await forcing.run(rows);
    for (const [i, { prompt, target, isRight }] of queries.entries()) {
      const verdict = judge(rows[i]!.answers[0]!, results[i]![0]!.greedy, target, options);
      count[verdict]++;
      if (verdict !== "open")
        expect(verdict, JSON.stringify({ seed, prompt, target })).toBe(isRight ? "equal" : "different");
      else openOutcomes.add(isRight);
      if (verdict === "open" || i % 10 === 0)
        expect(await isGreedyAnswer(decoder, prompt, target, options)).toBe(isRight);
    }
  }
  // All three verdicts occur, and an open one can go either way: none of them is decided by the test's making.
  expect(count.equal).toBeGreaterThan(10);
  expect(count.different).toBeGreaterThan(20);
  expect([...openOutcomes].sort()).toEqual([false, true]);
});

describe("a verdict", () => {
  const given = (target: string, greedy: readonly number[], answer = [...tokenizer.encode(target), end]) =>
    judge(answer, greedy, target, options);
  const ids = (text: string) => tokenizer.encode(text);
  const answer = [...ids("banana"), end];

  test("is equal where every greedy token is the target's, to the end token", () => {
    expect(given("banana", answer)).toBe("equal");
    expect(given("banana", [...answer.slice(0, -1), ids("!")[0]!])).toBe("different");
    expect(given("banana", [end, ...answer.slice(1)])).toBe("different");
  });

  test("ignores white space around the target", () => {
    const spaced = [...ids("banana "), end];
    const early = spaced.map((id, i) => (i === spaced.length - 2 ? end : id));
    expect(given("banana ", early, spaced)).toBe("equal");
  });

  test("stays open while the text can still become the target", () => {
    const bytes = [..."banana"].flatMap(ids);
    expect(given("banana", [bytes[0]!, ...answer.slice(1)])).toBe("open");
    expect(given("banana", [ids(" ")[0]!, ...answer.slice(1)])).toBe("open");
    expect(given("banana", [...answer.slice(0, -1), ids("\n")[0]!])).toBe("open");
    expect(given("banana", [3, ...answer.slice(1)])).toBe("open"); // a special token has no text
    expect(given("é", [ids("é")[0]!, 0], [300, end])).toBe("open"); // half a character
  });

  test("is open where the target's tokens carry no end token", () => {
    expect(given("banana", ids("banana"), ids("banana"))).toBe("open");
  });
});
