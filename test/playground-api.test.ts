/** @file The service as the playground reads it. */
import { afterEach, expect, test, vi } from "vitest";
import { createApi } from "../web/api.ts";

afterEach(() => void vi.unstubAllGlobals());

const piece = (content: string): string => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;
const answered = (text: string) => {
  vi.stubGlobal("fetch", async () => new Response(text));
  return createApi("").answer({ model: "triage", input: "hello" }, () => undefined);
};

test("an answer is its pieces up to its end", async () => {
  expect(await answered(`${piece("re")}${piece("fund")}data: [DONE]\n\n`)).toMatchObject({ text: "refund" });
});

test("an answer whose connection breaks off is not shown as a whole one", async () => {
  await expect(answered(piece("re"))).rejects.toThrow("ended before its end");
});

test("what went wrong on the way is told", async () => {
  const event = `data: ${JSON.stringify({ error: { message: "answer: not done in time" } })}\n\n`;
  await expect(answered(`${piece("re")}${event}data: [DONE]\n\n`)).rejects.toThrow("not done in time");
});
