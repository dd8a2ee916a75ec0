/** @file Two services over one bucket, as two machines behind a balancer. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type FakeS3, fakeCredentials, fakeS3 } from "../../test/support/fake-s3.ts";
import { openTinyPair } from "../../test/support/tiny-pair.ts";
import { openTinyService, type TinyService } from "../../test/support/tiny-service.ts";
import { openBucket } from "./store/bucket-client.ts";
import { bucketLimits, bucketStorage } from "./store/bucket-storage.ts";
import { storeIn } from "./store/store.ts";

let fake: FakeS3;
let one: TinyService;
let other: TinyService;
let clockMs = 0;
beforeAll(async () => {
  for (const [name, value] of Object.entries(fakeCredentials)) vi.stubEnv(name, value);
  fake = await fakeS3();
  const pair = await openTinyPair();
  const open = async (): Promise<TinyService> => {
    const bucket = await openBucket("s3://bucket/models", fake.s3);
    const sleep = () => new Promise<void>(() => undefined);
    const storage = bucketStorage(bucket, { now: () => clockMs, sleep });
    return openTinyService(pair, {}, storeIn(storage, { now: () => new Date(), sleep }));
  };
  [one, other] = [await open(), await open()];
});
afterAll(async () => {
  await Promise.all([one.close(), other.close(), fake[Symbol.asyncDispose]()]);
  vi.unstubAllEnvs();
});

const make = (service: TinyService, prompt: string) =>
  service.ask("/v1/specializations", { name: "triage", prompt, options: { constraint: false } });
const question = { model: "triage", messages: [{ role: "user", content: "where is my parcel?" }], max_tokens: 24 };
async function answer(service: TinyService, body: object = question) {
  const response = await service.ask("/v1/chat/completions", body);
  const told = (await response.json()) as { model: string; choices: { message: { content: string } }[] };
  return { status: response.status, model: told.model, text: told.choices?.[0]?.message.content };
}
const ready = async (service: TinyService, query = "") => {
  const response = await service.ask(`/readyz${query}`);
  return [response.status, ((await response.json()) as { store: string }).store];
};

test("a name that one machine makes answers on the other; a new version does two seconds later, and what is under way ends as it began", async () => {
  expect((await make(one, "Answer billing.")).status).toBe(201);
  const first = await answer(one);
  expect(first).toMatchObject({ status: 200, model: "triage@1" });
  expect(await answer(other)).toEqual(first);
  const streamed = await other.ask("/v1/chat/completions", { ...question, stream: true });
  const reader = streamed.body!.pipeThrough(new TextDecoderStream()).getReader();
  let events = (await reader.read()).value ?? "";
  expect((await make(one, "Write a poem about the sea in French.")).status).toBe(201);
  const second = await answer(one);
  expect(second.model).toBe("triage@2");
  expect(second.text).not.toBe(first.text);
  clockMs += bucketLimits.staleMs;
  expect(await answer(other)).toEqual(second);
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) events += piece.value;
  const pieces = [...events.matchAll(/"content":("(?:[^"\\]|\\.)*")/g)].map(([, text]) => JSON.parse(text!) as string);
  expect(pieces.join("")).toBe(first.text);
});

test("where the bucket is silent readyz answers before a probe gives up", async () => {
  fake.faults.isSilent = true;
  clockMs += 60_000;
  const from = performance.now();
  expect(await ready(other)).toEqual([200, "out of reach"]);
  expect(performance.now() - from).toBeLessThan(1_000);
  fake.faults.isSilent = false;
  clockMs += 60_000;
});

test("without the bucket what is kept is answered and readyz says so; writes and names nobody asked are refused; back, all goes on", async () => {
  const kept = await answer(other);
  fake.faults.isGone = true;
  clockMs += 60_000;
  expect(await answer(other)).toEqual(kept);
  expect(await ready(other)).toEqual([200, "out of reach"]);
  expect(await ready(other, "?store=required")).toEqual([503, "out of reach"]);
  for (const response of [await make(other, "Be brief."), await other.ask("/v1/models")]) {
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ error: { code: "E_IO" } });
  }
  fake.faults.isGone = false;
  clockMs += bucketLimits.retryMs;
  expect(await ready(other, "?store=required")).toEqual([200, "reached"]);
  expect((await make(other, "Be brief.")).status).toBe(201);
  clockMs += bucketLimits.staleMs;
  expect((await answer(one)).model).toBe("triage@3");
});
