/** @file Two services of one pair: one has the cloud model, the other asks it. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTinyPair } from "../../test/support/tiny-pair.ts";
import { openTinyService, type TinyService, testSecret } from "../../test/support/tiny-service.ts";
import { hmacSha256 } from "../base/hash.ts";
import { remoteLimits } from "./remote.ts";
import { remoteCloud } from "./remote-cloud.ts";

const prompt = "Say what the customer wants. The labels are: billing, delivery, refund.";

let far: TinyService;
let near: TinyService;
const sent: string[] = [];
beforeAll(async () => {
  far = await openTinyService(await openTinyPair(), { secret: new Uint8Array(32).fill(9) });
  const { cloud: _, ...edge } = await openTinyPair();
  const cloud = remoteCloud(edge, {
    url: "http://far/",
    key: "k",
    fetch: async (input, init) => {
      sent.push(`${new Headers(init!.headers).get("authorization")} ${String(init!.body)}`);
      return far.fetch(new Request(input as string, init));
    },
  });
  near = await openTinyService(edge, { cloud });
});
afterAll(async () => {
  await near.close();
  await far.close();
});

test("the gates are those of the host with the cloud model; secret and constraint are our own", async () => {
  expect((await near.ask("/v1/specializations", { name: "triage", prompt })).status).toBe(201);
  expect((await far.ask("/v1/specializations", { name: "triage", prompt })).status).toBe(201);
  const [ours, theirs] = await Promise.all(
    [near, far].map(async ({ store }) => store.read((await store.resolve("main", "triage")).object)),
  );
  expect(ours!.gates).toEqual(theirs!.gates);
  expect(ours!.constraint).toEqual(theirs!.constraint);
  expect(ours!.promptHmac).toBe(hmacSha256(testSecret, prompt));
  expect(sent).toEqual([`Bearer k ${JSON.stringify({ prompt })}`]);
});

test("gates alone are given to whoever may make specialisations, and nothing is kept", async () => {
  const before = (await far.store.verify()).objects;
  const response = await far.ask("/v1/gates", { prompt });
  expect(await response.json()).not.toHaveProperty("promptHmac");
  expect((await far.store.verify()).objects).toBe(before);
  const refused = await near.ask("/v1/gates", { prompt: " " });
  expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining("expected text")]);
});

test.each([
  ["an error", async () => new Response("", { status: 500 }), "E_RUNTIME", "found 500"],
  ["too much to do", async () => new Response("", { status: 429 }), "E_BUSY", "again later"],
  ["something else", async () => new Response("{}"), "E_FORMAT", "cloud"],
  ["too much", async () => new Response(new Uint8Array(remoteLimits.answerBytes + 1)), "E_RUNTIME", "found more"],
  ["nothing", async () => Promise.reject(new TypeError("fetch failed")), "E_RUNTIME", "cannot be reached"],
])("a host that answers with %s", async (_, fetch, code, message) => {
  const ask = remoteCloud(await openTinyPair(), { url: "http://far", fetch });
  const asked = ask(prompt, { secret: undefined, constraint: undefined, truncate: undefined });
  await expect(asked).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
});

test("a host with another pair is found out", async () => {
  const ask = remoteCloud(await openTinyPair({ seed: 5 }), {
    url: "http://far",
    fetch: async (input, init) => far.fetch(new Request(input as string, init)),
  });
  const asked = ask(prompt, { secret: undefined, constraint: undefined, truncate: undefined });
  await expect(asked).rejects.toMatchObject({ code: "E_MISMATCH" });
});
