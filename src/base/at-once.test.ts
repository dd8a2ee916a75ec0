import { expect, test } from "vitest";
import { atOnce, inOrder } from "./at-once.ts";

test("results come in the items' order, so many are worked on at once, and a failure is told when the others have ended", async () => {
  let underWay = 0;
  let most = 0;
  const work = async (turns: number): Promise<number> => {
    most = Math.max(most, ++underWay);
    for (let i = 0; i < turns; i++) await undefined;
    underWay--;
    if (turns === 7) throw new Error("seven");
    return turns;
  };
  const found: number[] = [];
  for await (const turns of inOrder([90, 40, 60, 20, 50], 3, work)) found.push(turns);
  expect([found, most]).toEqual([[90, 40, 60, 20, 50], 3]);
  const failing = async () => {
    for await (const turns of inOrder([1, 7, 40, 2], 3, work)) found.push(turns);
  };
  await expect(failing()).rejects.toThrow("seven");
  expect([found.slice(5), underWay]).toEqual([[1], 0]);
});

test("of items that fail, the failure that came first is told, when the others have ended, and none is begun after it", async () => {
  const begun: number[] = [];
  let underWay = 0;
  const work = async (turns: number): Promise<void> => {
    begun.push(turns);
    underWay++;
    for (let i = 0; i < turns; i++) await undefined;
    underWay--;
    throw new Error(`after ${turns}`);
  };
  await expect(atOnce([90, 7, 40, 20], 3, work)).rejects.toThrow("after 7");
  expect([begun, underWay]).toEqual([[90, 7, 40], 0]);
});
