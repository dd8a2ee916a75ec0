/** @file Who is next. */
import { expect, test } from "vitest";
import { createFairQueue } from "./fair-queue.ts";

const drained = (queue: { take(): string | undefined }): string[] => {
  const order: string[] = [];
  for (let item = queue.take(); item !== undefined; item = queue.take()) order.push(item);
  return order;
};

test("a tenant with one request waits for one request of a tenant with many", () => {
  const queue = createFairQueue<string>();
  for (const item of ["a1", "a2", "a3", "a4"]) queue.push(item, "a", 1);
  queue.push("b1", "b", 1);
  expect(drained(queue)).toEqual(["a1", "b1", "a2", "a3", "a4"]);
});

test("what costs more is paid for with more turns of others", () => {
  const queue = createFairQueue<string>();
  for (const item of ["a1", "a2"]) queue.push(item, "a", 3);
  for (const item of ["b1", "b2", "b3", "b4"]) queue.push(item, "b", 1);
  expect(drained(queue)).toEqual(["a1", "b1", "b2", "b3", "a2", "b4"]);
});

test("a tenant that was away has not saved up turns", () => {
  const queue = createFairQueue<string>();
  for (const item of ["a1", "a2", "a3"]) queue.push(item, "a", 1);
  expect([queue.take(), queue.take()]).toEqual(["a1", "a2"]);
  for (const item of ["b1", "b2", "b3"]) queue.push(item, "b", 1);
  queue.push("a4", "a", 1);
  expect(drained(queue)).toEqual(["b1", "a3", "b2", "a4", "b3"]);
});

test("what is taken out is not counted", () => {
  const queue = createFairQueue<string>();
  for (const item of ["x", "y", "z"]) queue.push(item, "a", 1);
  expect(queue.remove((item) => item === "y")).toEqual(["y"]);
  expect([queue.size, queue.sizeOf("a"), queue.sizeOf("b")]).toEqual([2, 2, 0]);
  expect(drained(queue)).toEqual(["x", "z"]);
});

test("what is given beside the queue counts: who waits and has had less is owed a turn", () => {
  const queue = createFairQueue<string>();
  queue.push("a1", "a", 1);
  expect(queue.take()).toBe("a1");
  expect(queue.isOwed("a")).toBe(false);
  queue.charge("a", 10);
  queue.push("b1", "b", 4);
  expect([queue.isOwed("a"), queue.isOwed("b")]).toEqual([true, false]);
  queue.push("b2", "b", 4);
  queue.push("b3", "b", 4);
  queue.push("a2", "a", 1);
  expect(drained(queue)).toEqual(["b1", "b2", "b3", "a2"]);
});

test("a tenant that comes late does not make up for what others were given before it", () => {
  const queue = createFairQueue<string>();
  queue.push("a1", "a", 1);
  queue.take();
  for (let i = 0; i < 100; i++) queue.charge("a", 1);
  for (const item of ["b1", "b2", "b3"]) queue.push(item, "b", 1);
  queue.push("a2", "a", 1);
  expect(drained(queue)).toEqual(["b1", "a2", "b2", "b3"]);
});

test("what goes first goes before what its tenant waits for", () => {
  const queue = createFairQueue<string>();
  queue.push("a1", "a", 1);
  queue.push("a2", "a", 1, true);
  expect(drained(queue)).toEqual(["a2", "a1"]);
});
