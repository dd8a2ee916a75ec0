/** @file Questions under way on another host. */
import { expect, test } from "vitest";
import { createUnderWay } from "./under-way.ts";

test("are bounded, of one tenant and of all; what is done or has failed makes room", async () => {
  const { run } = createUnderWay("questions", { all: 3, ofTenant: 2 });
  let fail: (why: Error) => void = () => undefined;
  const first = new Promise<string>((_, failed) => {
    fail = failed;
  });
  const running = [run("a", () => first), run("a", () => new Promise(() => undefined))];
  await expect(run("a", async () => "x")).rejects.toMatchObject({ code: "E_BUSY" });
  void run("b", () => new Promise(() => undefined));
  await expect(run("c", async () => "x")).rejects.toMatchObject({ code: "E_BUSY" });
  fail(new Error("away"));
  await expect(running[0]).rejects.toThrow("away");
  expect(await run("c", async () => "x")).toBe("x");
  const broken = (): never => {
    throw new Error("broken");
  };
  for (let i = 0; i < 4; i++) await expect(run("d", broken)).rejects.toThrow("broken");
});

test("are waited for at the end, and none is taken any more", async () => {
  const { run, close } = createUnderWay("questions", { all: 3, ofTenant: 2 });
  let end: (text: string) => void = () => undefined;
  const work = new Promise<string>((resolve) => {
    end = resolve;
  });
  const done: string[] = [];
  const running = run("a", () => work).then((text) => done.push(text));
  const closed = close().then(() => done.push("closed"));
  await expect(run("a", async () => "x")).rejects.toMatchObject({ code: "E_BUSY" });
  end("answer");
  await Promise.all([running, closed]);
  expect(done).toEqual(["answer", "closed"]);
});
