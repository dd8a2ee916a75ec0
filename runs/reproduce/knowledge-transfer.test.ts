import { expect, test } from "vitest";
import { readLever, type ShortRun, transferRows } from "./pages/knowledge-transfer.ts";

const run = (losses: Readonly<Record<number, number>>): ShortRun => ({
  memoryMb: 1,
  validation: new Map(
    Object.entries(losses).map(([step, loss]) => [
      Number(step),
      { answerLoss: loss, tokenLoss: 2 * loss, choiceLoss: loss / 2 },
    ]),
  ),
});

test("rows stand at the steps that both runs validated, the difference is the larger cloud's less its twin's", () => {
  expect(transferRows(run({ 50: 2, 100: 1 }), run({ 100: 1.5 }))).toEqual([
    ["answers, step 100", "1.000", "1.500", "+0.500"],
    ["tokens, step 100", "2.000", "3.000", "+1.000"],
    ["choices, step 100", "0.500", "0.750", "+0.250"],
  ]);
});

test("the kept log of the twin says what docs/experiments.md says of it", async () => {
  const { validation, memoryMb } = await readLever("as-trained");
  expect([...validation.keys()]).toEqual([50, 100]);
  expect(validation.get(100)!.answerLoss).toBeCloseTo(2.0, 2);
  expect(memoryMb).toBeGreaterThan(1000);
});
