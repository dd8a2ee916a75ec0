/** @file Names that are made with a certificate, in one request. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTinyPair } from "../../../test/support/tiny-pair.ts";
import { openTinyService, type TinyService } from "../../../test/support/tiny-service.ts";
import type { Pair } from "../../pair/pair-file.ts";
import { MadeAnswer } from "../api/answer-schemas.ts";
import type { Store } from "../store/store.ts";
import type { Certificate } from "./certificate.ts";

const prompt = "Say what the customer wants.";
const labels = ["a", "b", "c"];
const examples = [
  { input: "pay my bill", output: "a" },
  { input: "hello", output: "b" },
];

let pair: Pair;
let service: TinyService;
beforeAll(async () => {
  pair = await openTinyPair();
  service = await openTinyService(pair);
});
afterAll(() => service.close());

async function make(name: string, certificate: unknown, more: object = {}, asked: TinyService = service) {
  const response = await asked.ask("/v1/specializations", {
    ...{ name, prompt, options: { labels }, certificate },
    ...more,
  });
  const body = (await response.json()) as Record<string, unknown>;
  return { status: response.status, body };
}
async function ended(name: string, asked: TinyService = service): Promise<Certificate> {
  for (;;) {
    const response = await asked.ask(`/v1/specializations/${name}/certificate`);
    const found = (await response.json()) as { status: string; certificate: Certificate };
    if (found.status !== "running") return found.certificate;
    await new Promise((done) => setImmediate(done));
  }
}

test("a name is made and measured by one request, and the same again measures nothing", async () => {
  const { status, body } = await make("triage", { examples });
  expect([status, MadeAnswer.parse(body).certificate]).toEqual([201, { status: "running", done: 0, total: 2 }]);
  const certificate = await ended("triage");
  expect(certificate).toMatchObject({ object: body["object"], inputs: 2, reference: { kind: "labels" } });
  expect(certificate.parties.prompted).toBeDefined(); // the prompt is known
  expect(await make("triage", { examples })).toMatchObject({ status: 200, body: { certificate: { status: "done" } } });
  const other = await make("triage", { examples, scorer: "normalized" });
  expect(other).toMatchObject({ status: 200, body: { isNew: false, certificate: { status: "running" } } });
  expect((await ended("triage")).scorer).toBe("normalized");
  expect((await make("triage", undefined)).body).not.toHaveProperty("certificate");
});

test("of the same asked for twice at once, one is measured, and both are told of it", async () => {
  const { certificate } = service.store;
  let readers = 0;
  let bothRead: () => void = () => undefined;
  const both = new Promise<void>((done) => {
    bothRead = done;
  });
  const store: Store = {
    ...service.store,
    async certificate(...of) {
      const found = await certificate(...of);
      if (++readers === 2) bothRead();
      await both;
      return found;
    },
  };
  await using other = await openTinyService(pair, {}, store);
  const twice = { name: "twice", prompt: "Be brief.", options: { labels } };
  await other.ask("/v1/specializations", twice);
  const asked = [0, 1].map(() => other.ask("/v1/specializations", { ...twice, certificate: { examples } }));
  const made = await Promise.all(asked.map(async (response) => (await response).json()));
  const running = { isNew: false, certificate: { status: "running", total: 2 } };
  expect(made).toMatchObject([running, running]);
});

test("examples that a name is made of are shown to the prompted model too", async () => {
  const { body } = await make("shown", { inputs: ["pay my bill"] }, { examples: [{ input: "hi", output: "c" }] });
  expect(body).toMatchObject({ certificate: { status: "running" } });
  expect(await ended("shown")).toMatchObject({ inputs: 1, reference: { kind: "prompted-edge" } });
});

test("one after the other: what waits says so", async () => {
  let release!: () => void;
  const released = new Promise<void>((done) => {
    release = done;
  });
  const ask = async () => {
    await released;
    return "a";
  };
  await using waiting = await openTinyService(await openTinyPair(), { reference: { model: "strong", ask } });
  try {
    const certificate = { inputs: Array.from({ length: 4 }, (_, i) => `message ${i}`) };
    await make("first", certificate, { prompt: "Shout." }, waiting);
    const whisper = { prompt: "Whisper." };
    const second = await make("second", certificate, whisper, waiting);
    expect(second).toMatchObject({ status: 201, body: { certificate: { status: "running", before: 1 } } });
    const again = await make("second", certificate, whisper, waiting);
    expect(again).toMatchObject({ status: 200, body: { certificate: { status: "running" } } });
    const other = await make("second", { inputs: ["another"] }, whisper, waiting);
    expect(other).toMatchObject({ status: 429 }); // something else is asked for while the first waits
  } finally {
    release();
  }
  expect((await ended("second", waiting)).inputs).toBe(4);
});

test.each([
  ["neither examples nor inputs", {}, "examples or inputs"],
  ["a label that there is not", { examples: [{ input: "x", output: "nothing" }] }, "one of the labels"],
  ["too few inputs for a verdict", { examples, threshold: 0.9 }, "at least 20"],
  ["a scorer that runs answers", { examples, scorer: "code-run" }, "runs code"],
  ["the prompt once more", { examples, prompt }, "prompt"],
])("%s: refused with the reason, and no name is made", async (_, certificate, why) => {
  const { status, body } = await make("refused", certificate);
  expect([status, JSON.stringify(body)]).toEqual([400, expect.stringContaining(why)]);
  expect((await service.ask("/v1/specializations/refused")).status).toBe(404);
});

test("a certificate is refused before the cloud model reads anything", async () => {
  const tooLong = { prompt: "again ".repeat(10_000) };
  expect(await make("long", { examples }, tooLong)).toMatchObject({
    status: 400,
    body: { error: { code: "E_PROMPT" } },
  });
  const { status, body } = await make("long", { examples, threshold: 0.9 }, tooLong);
  expect([status, JSON.stringify(body)]).toEqual([400, expect.stringContaining("at least 20")]);
});
