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
