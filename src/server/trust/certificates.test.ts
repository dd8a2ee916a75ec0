/** @file Certificates over HTTP: asked for, measured in the background, shown, and what follows from them. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTinyPair, specializationOf } from "../../../test/support/tiny-pair.ts";
import { openTinyService, type TinyService, testSecret } from "../../../test/support/tiny-service.ts";
import { AppError } from "../../base/errors.ts";
import { labelsSpec } from "../../constraint/spec.ts";
import { createAnswerer } from "../../pair/answer.ts";
import { gateValues } from "../../pair/gated-edge.ts";
import type { Pair } from "../../pair/pair-file.ts";
import { CertificateAnswer } from "../api/answer-schemas.ts";
import { createConstraintCache } from "../api/constraints.ts";
import { createPlainEngine } from "../engine/engine.ts";
import { remoteLimits } from "../remote.ts";
import { createService } from "../service.ts";
import { askParty, type EdgeSource, type Source } from "./ask-party.ts";
import type { Certificate, Party } from "./certificate.ts";
import { certifyLimits } from "./certify.ts";
import { drawInputs, measure, tokensFor } from "./measure.ts";
import { type ReferenceModel, referenceModel } from "./reference.ts";

const prompt = "Say what the customer wants.";
/** They make answers short: a model that knows nothing would write on and on. */
const labels = [..."abcdefghijklmnopqrstuvwxyz0123456789"];
const dotted = (text: string) => Array.from({ length: 5 }, (_, i) => `${text}${"!".repeat(i)}`);
const inputs = ["pay my bill", "where is my parcel", "hello", "I want my money back"].flatMap(dotted);
const asked: string[] = [];
const reference = referenceModel({
  url: "http://reference/v1/",
  model: "strong",
  key: "secret",
  fetch: async (address, init) => {
    const headers = new Headers(init!.headers);
    asked.push(`${String(address)} ${headers.get("authorization")} ${String(init!.body)}`);
    return Response.json({ choices: [{ message: { content: ` The label is ${labels[2]}. ` } }] });
  },
});

let pair: Pair;
let service: TinyService;
beforeAll(async () => {
  pair = await openTinyPair();
  service = await openTinyService(pair, { reference });
  await service.ask("/v1/specializations", { name: "triage", prompt, options: { labels } });
});
afterAll(() => service.close());

/** The edge model, prompted and as it is. */
function sourcesOf() {
  const side = { engine: service.engine, texts: pair, constraints: createConstraintCache(pair) };
  return new Map<Party, Source>([
    ["prompted", { side, prompt }],
    ["base", { side }],
  ]);
}

const json = async (response: Response | Promise<Response>) =>
  (await response).json() as Promise<Record<string, unknown>>;
const post = (body: object, name = "triage") => service.ask(`/v1/specializations/${name}/certificate`, body);
async function certified(body: object, name = "triage"): Promise<Certificate & { keepsPrompt: boolean }> {
  const begun = await post(body, name);
  expect([begun.status, await json(begun)]).toMatchObject([202, { status: "running", done: 0 }]);
  for (;;) {
    const found = await json(service.ask(`/v1/specializations/${name}/certificate`));
    CertificateAnswer.parse(found); // as the OpenAPI document says
    if (found["status"] !== "running") {
      expect(found["status"]).toBe("done");
      return found["certificate"] as Certificate & { keepsPrompt: boolean };
    }
    await new Promise((done) => setImmediate(done));
  }
}
async function answerOf(model: string, messages: readonly object[]) {
  const response = await service.ask("/v1/chat/completions", { model, messages, max_tokens: 128 });
  const { choices } = (await json(response)) as { choices: { message: { content: string } }[] };
  return { text: choices?.[0]?.message.content, rung: response.headers.get("x-loragen-rung") };
}
const user = (content: string) => ({ role: "user", content });
const system = { role: "system", content: prompt };

test("a name without one says so", async () => {
  expect((await service.ask("/v1/specializations/triage/certificate")).status).toBe(404);
});

test("answers are those that the service gives, and a control is none of them", async () => {
  const answers = await Promise.all(inputs.map((input) => answerOf("triage", [user(input)])));
  const examples = inputs.map((input, i) => ({ input, output: answers[i]!.text }));
  const found = await certified({ examples, prompt, threshold: 0.9 });
  expect(found).toMatchObject({ reference: { kind: "labels" }, inputs: inputs.length, rung: "specialized" });
  expect(found.parties.specialized.score).toEqual({ mean: 1, low: expect.closeTo(0.8389, 4), high: 1 });
  expect(found.sure).toEqual({ specialized: false, prompted: false }); // 20 inputs are few, even where all are right
  expect(found.parties.specialized.kept!.ended.mean).toBe(1);
  expect(Object.values(found.parties).every((each) => each!.kept!.free!.mean <= 1)).toBe(true);
  const { inputTokens, ms } = found.saved!.specialized!;
  expect(inputTokens.mean).toBeCloseTo(found.parties.prompted!.inputTokens - found.parties.specialized.inputTokens, 9);
  expect([ms!.low <= ms!.mean, ms!.mean <= ms!.high]).toEqual([true, true]);
  expect(found.parties.prompted!.inputTokens).toBeGreaterThan(found.parties.specialized.inputTokens + 3);
  expect(found.firstTokenKl!.mean).toBeGreaterThan(0);
});

test("removing the last name of a content ends what is measured of it, and another name's turn has come", async () => {
  const silent: ReferenceModel = {
    model: "silent",
    ask: (_prompt, _input, signal) =>
      new Promise((_, fail) => {
        const stop = () => fail(new AppError("E_INTERRUPTED", "stopped"));
        signal!.addEventListener("abort", stop, { once: true });
        if (signal!.aborted) stop();
      }),
  };
  await using measuring = await openTinyService(pair, { reference: silent });
  const make = (name: string, text: string) =>
    measuring.ask("/v1/specializations", { name, prompt: text, options: { labels } });
  for (const name of ["first", "twin"]) await make(name, prompt);
  await make("other", "Shout.");
  const path = (name: string, rest = "") => `/v1/specializations/${name}${rest}`;
  const remove = (name: string) => measuring.ask(path(name), undefined, { method: "DELETE" });
  const begin = async (name: string, text: string) =>
    (await measuring.ask(path(name, "/certificate"), { inputs: ["hello"], prompt: text })).status;
  expect(await begin("first", prompt)).toBe(202);
  await remove("twin");
  expect(await json(measuring.ask(path("first", "/certificate")))).toMatchObject({ status: "running" });
  await remove("first");
  expect(await begin("other", "Shout.")).toBe(202);
});

test("inputs alone are held against the reference model, which is shown the prompt", async () => {
  const found = await certified({ inputs, prompt });
  expect(found).toMatchObject({ reference: { kind: "model", model: "strong" }, scorer: "exact" });
  expect(asked).toHaveLength(inputs.length);
  expect(asked[0]).toMatch(/^http:\/\/reference\/v1\/chat\/completions Bearer secret /);
  expect(asked[0]).toContain(JSON.stringify(system));
  expect([found.inputs, found.leftOut]).toEqual([inputs.length, 0]);
  const answers = await Promise.all(inputs.map((input) => answerOf("triage", [user(input)])));
  const share = answers.filter(({ text }) => text === labels[2]).length / inputs.length;
  expect(found.parties.specialized.score.mean).toBeCloseTo(share, 9);
});

test("every question takes its turn in the key's limit, and its tokens count, those of the prompted model too", async () => {
  const counted = async (name: string): Promise<number> => {
    const text = await (await service.ask("/metrics")).text();
    return Number(new RegExp(`^loragen_${name} (\\d+)$`, "m").exec(text)![1]);
  };
  const names = ["certificate_questions_total", 'tokens_total\\{kind="prompt"\\}'] as const;
  const before = await Promise.all(names.map(counted));
  const { parties } = await certified({ inputs, prompt });
  const [questions, tokens] = (await Promise.all(names.map(counted))).map((value, i) => value - before[i]!);
  const [timed, freely] = [certifyLimits.timed, certifyLimits.free].map((most) => Math.min(most, inputs.length));
  expect(questions).toBe(4 * (inputs.length + timed! + freely!));
  const read = Object.values(parties).reduce((sum, result) => sum + (result?.inputTokens ?? 0) * inputs.length, 0);
  expect(tokens).toBeGreaterThan(read);
  let turns = 0;
  const ask = askParty({
    sources: sourcesOf(),
    ...{ constraint: undefined, tenant: "main", maxTokens: 2, signal: undefined },
    turn: async () => void turns++,
  });
  for (const party of ["prompted", "base"] as const) await ask(party, "hello");
  expect(turns).toBe(2);
});

test("where only the prompted model passes, it answers in the specialisation's place, if that was asked for", async () => {
  await service.ask("/v1/specializations", { name: "wanting", prompt, options: { labels } });
  const { object } = await service.store.resolve("main", "wanting");
  const specialization = await service.store.read(object);
  const { constraint } = specialization;
  const ask = askParty({ sources: sourcesOf(), constraint, tenant: "main", maxTokens: 128, signal: undefined });
  const wanted = await Promise.all(inputs.map((input) => ask("prompted", input)));
  const own = await Promise.all(inputs.map((input) => answerOf("wanting", [user(input)])));
  expect(own.map(({ text }) => text)).not.toEqual(wanted.map(({ text }) => text)); // else this test could not fail
  const examples = inputs.map((input, i) => ({ input, output: wanted[i]!.text }));
  const found = await certified({ examples, prompt, threshold: 1, fallback: true }, "wanting");
  expect(found).toMatchObject({ rung: "prompted", keepsPrompt: true });
  expect(JSON.stringify(found)).not.toContain(prompt); // kept for answering, not for reading
  const after = await Promise.all(inputs.map((input) => answerOf("wanting", [user(input)])));
  expect(after.map(({ text }) => text)).toEqual(wanted.map(({ text }) => text));
  expect(after[0]!.rung).toBe("prompted");
  const other = await service.ask("/v1/chat/completions", {
    model: "wanting",
    messages: [{ role: "system", content: "Another one." }, user("hello")],
  });
  expect(other.status).toBe(400);
  expect((await service.ask("/v1/completions", { model: "wanting", prompt: "x" })).status).toBe(400);
  await service.ask("/v1/specializations/wanting/certificate", undefined, { method: "DELETE" });
  const without = await Promise.all(inputs.map((input) => answerOf("wanting", [user(input)])));
  expect(without.map(({ text }) => text)).toEqual(own.map(({ text }) => text));
});

describe("the ladder", () => {
  const facts = "Say what the customer wants. Parcels take 3 days.\nBe polite, and answer at once.";
  const residual = "Parcels take 3 days.";
  const answers = (name: string) => Promise.all(inputs.map((input) => answerOf(name, [user(input)])));
  const remove = (name: string) =>
    service.ask(`/v1/specializations/${name}/certificate`, undefined, { method: "DELETE" });
  const make = (name: string, text: string) =>
    service.ask("/v1/specializations", { name, prompt: text, options: { labels } });

  test("gates that were refined on other inputs answer, where the predicted ones score too little", async () => {
    await make("refined", prompt);
    const before = await answers("refined");
    // What other gates of the same pool answer: to be found, if not wholly.
    const other = specializationOf(pair, [
      [0, 1, 0, 0],
      [0, 1, 0, 0],
    ]);
    await using answerer = await createAnswerer(pair, {
      specialization: { ...other, constraint: labelsSpec(labels) },
      threads: 1,
    });
    const texts = [...inputs, ...["cancel it", "thanks", "who are you", "help me"].flatMap(dotted)];
    const examples: { input: string; output: string }[] = [];
    for (const input of texts) examples.push({ input, output: (await answerer.answer(input)).text });
    const found = await certified({ examples, prompt, threshold: 0.3, refine: 20, fallback: true }, "refined");
    expect(found).toMatchObject({ rung: "refined", answers: "refined", inputs: 20, refinedOn: 20, isRefined: true });
    expect(found.parties.specialized.score.mean).toBeLessThan(0.3);
    const after = await answers("refined");
    expect(after.every(({ rung }) => rung === "refined")).toBe(true);
    expect(after.map(({ text }) => text)).not.toEqual(before.map(({ text }) => text));
    const why = () => json(service.ask("/v1/specializations/refined/why"));
    const shown = await why();
    expect(shown["answers"]).toBe("refined");
    await service.pin("main", "refined"); // weights of its own: of the gates that answer
    expect(await answers("refined")).toEqual(after);
    await remove("refined");
    const own = await why();
    expect(own).toMatchObject({ answers: "specialized" });
    expect(own["layers"]).not.toEqual(shown["layers"]);
    expect(await answers("refined")).toEqual(before);
  });

  test("sentences that must stay stand in front, where gates do not say them; tokens saved are the others", async () => {
    await make("facts", facts);
    const { object } = await service.store.resolve("main", "facts");
    const content = await service.store.read(object);
    const [{ side }] = [...sourcesOf().values()] as [EdgeSource];
    const sources = new Map<Party, Source>([
      ["residual", { side, gates: gateValues(pair, content), prompt: residual }],
    ]);
    const asking = { constraint: content.constraint, tenant: "main", maxTokens: 128, signal: undefined };
    const wanted = await Promise.all(inputs.map((input) => askParty({ sources, ...asking })("residual", input)));
    expect(wanted.map(({ text }) => text)).not.toEqual((await answers("facts")).map(({ text }) => text));
    const examples = inputs.map((input, i) => ({ input, output: wanted[i]!.text }));
    const found = await certified({ examples, prompt: facts, threshold: 1, fallback: true }, "facts");
    expect(found).toMatchObject({ rung: "residual", keepsPrompt: true, notTried: { refined: expect.any(String) } });
    expect(JSON.stringify(found)).not.toContain(residual);
    const after = await answers("facts");
    expect(after).toEqual(wanted.map(({ text }) => ({ text, rung: "residual" })));
    const messages = [{ role: "system", content: facts }, user(inputs[0]!)];
    const { usage } = await json(service.ask("/v1/chat/completions", { model: "facts", messages }));
    expect(usage).toMatchObject({ prompt_tokens: wanted[0]!.inputTokens });
    const { tokens_saved: saved } = usage as { tokens_saved: number };
    expect(saved).toBeGreaterThan(0);
    expect(saved).toBeLessThan(content.promptTokens);
    const other = [{ role: "system", content: residual }, user("hello")];
    expect((await service.ask("/v1/chat/completions", { model: "facts", messages: other })).status).toBe(400);
  });

  test("the cloud model answers last, where the service lets it", async () => {
    const { cloud, cloudTokenizer: tokenizer, cloudLayout: layout } = pair;
    await using answering = await openTinyService(pair, { cloudAnswers: true });
    await answering.ask("/v1/specializations", { name: "hard", prompt, options: { labels } });
    await using engine = await createPlainEngine(cloud, { threads: 1 });
    const constraints = createConstraintCache({ tokenizer, layout });
    const side = { engine, texts: { tokenizer, layout, edge: cloud }, constraints };
    const ask = askParty({
      sources: new Map<Party, Source>([["cloud", { side, prompt }]]),
      ...{ constraint: labelsSpec(labels), tenant: "main", maxTokens: 128, signal: undefined },
    });
    const wanted = await Promise.all(inputs.map((input) => ask("cloud", input)));
    const examples = inputs.map((input, i) => ({ input, output: wanted[i]!.text }));
    await answering.ask("/v1/specializations/hard/certificate", { examples, prompt, threshold: 1, fallback: true });
    for (let state = "running"; state === "running"; ) {
      await new Promise((done) => setImmediate(done));
      const found = await json(answering.ask("/v1/specializations/hard/certificate"));
      state = found["status"] as string;
      if (state === "done") expect(found["certificate"]).toMatchObject({ rung: "cloud", answers: "cloud" });
    }
    const body = { model: "hard", messages: [user(inputs[0]!)] };
    const response = await answering.ask("/v1/chat/completions", body);
    expect(response.headers.get("x-loragen-rung")).toBe("cloud");
    const { choices, usage } = await json(response);
    expect(choices).toMatchObject([{ message: { content: wanted[0]!.text } }]);
    expect(usage).toMatchObject({ prompt_tokens: wanted[0]!.inputTokens, tokens_saved: 0 });
    await using without = await createService(pair, answering.store, { threads: 1, secret: testSecret });
    const refused = await without.fetch(
      new Request("http://service/v1/chat/completions", { method: "POST", body: JSON.stringify(body) }),
    );
    expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining("--cloud-answers")]);
  });
});

test("what is too long to be asked is left out of what gates are refined on", async () => {
  await service.ask("/v1/specializations", { name: "long", prompt: "Say a letter.", options: { labels } });
  const { object } = await service.store.resolve("main", "long");
  const content = await service.store.read(object);
  const tooLong = Array.from({ length: 20 }, (_, i) => ({ input: `${i} ${"again ".repeat(2000)}` }));
  const mixed = [...inputs.map((input) => ({ input })), ...tooLong];
  const measurement = {
    content,
    object,
    inputs: mixed,
    prompt: "Say a letter.",
    threshold: 1,
    refine: 20,
    tenant: "main",
  };
  const { fitted } = drawInputs(measurement);
  expect(fitted.some(({ input }) => input.length > 1000)).toBe(true);
  const [{ side: edge }] = [...sourcesOf().values()] as [EdgeSource];
  let learnt: string[] = [];
  const told: [number, number][] = [];
  const found = await measure(
    measurement,
    {
      ...{ edge, pair, secret: undefined, date: () => new Date(0) },
      refine: async (_, examples) => {
        learnt = examples.map(({ input }) => input);
        return undefined;
      },
    },
    { onProgress: (done, total) => told.push([done, total]) },
  );
  expect(learnt).toEqual(fitted.map(({ input }) => input).filter((input) => input.length < 1000));
  expect(found.refinedOn).toBe(20);
  expect(told.at(-1)).toEqual([20, 20]);
});

test("where answers have to be the examples' own, none is read on that is much longer", async () => {
  await service.ask("/v1/specializations", { name: "free", prompt: "Say a letter." });
  const { object } = await service.store.resolve("main", "free");
  const content = await service.store.read(object);
  const examples = inputs.map((input) => ({ input, target: "a" }));
  const [{ side: edge }] = [...sourcesOf().values()] as [EdgeSource];
  const longestOf = async (scorer: "exact" | "json-equal") => {
    const tokens: number[] = [];
    await measure(
      { content, object, inputs: examples, scorer, tenant: "main" },
      {
        ...{ edge, pair, secret: undefined, date: () => new Date(0) },
        onAnswer: ({ completion_tokens }) => tokens.push(completion_tokens),
      },
    );
    return Math.max(...tokens);
  };
  expect(await longestOf("exact")).toBe(16 + 1);
  expect(await longestOf("json-equal")).toBe(128); // white space in JSON may be long
});

test("an answer may have as many tokens as its longest target has bytes, and a few more", () => {
  const most = tokensFor([
    { input: "a", target: "né" },
    { input: "a", target: "x" },
    { input: "b", target: "y".repeat(500) },
  ]);
  expect([most("a"), most("b")]).toEqual([16 + 3, 128]);
});

test.each([
  ["neither examples nor inputs", { prompt }, "examples or inputs"],
  ["inputs that nothing says the answers of", { inputs }, "the prompt beside them"],
  ["another prompt", { inputs, prompt: "Say something else." }, "not the one"],
  ["a fallback without a threshold", { inputs, prompt, fallback: true }, "threshold"],
  ["gates to refine without a threshold", { inputs, prompt, refine: 4 }, "threshold"],
  ["too few inputs for a verdict", { inputs: inputs.slice(0, 3), prompt, threshold: 1 }, "at least 20"],
  ["too few beside those set aside", { inputs, prompt, threshold: 1, refine: 4 }, "beside 4 to refine"],
  ["too few that differ", { inputs: [...inputs, ...inputs], prompt, threshold: 1, refine: 4 }, "found 16"],
  ["an example that is no label", { examples: [{ input: "x", output: "nothing" }] }, "one of the labels"],
  ["a scorer that there is not", { inputs, prompt, scorer: "best" }, "scorer"],
])("%s: refused with the reason", async (_, body, why) => {
  const response = await post(body);
  expect([response.status, JSON.stringify(await json(response))]).toEqual([400, expect.stringContaining(why)]);
});

test("what fails while it is measured is told, and another try is taken", async () => {
  await service.ask("/v1/specializations", { name: "other", prompt, options: { labels: ["yes", "no"] } });
  expect((await post({ inputs, prompt }, "other")).status).toBe(202); // the reference names no label of these
  let found: Record<string, unknown>;
  do {
    await new Promise((done) => setImmediate(done));
    found = await json(service.ask("/v1/specializations/other/certificate"));
  } while (found["status"] === "running");
  expect(found).toMatchObject({ status: "failed", error: { code: "E_DATA" } });
  const examples = inputs.map((input) => ({ input, output: "yes" }));
  expect((await certified({ examples }, "other")).inputs).toBe(inputs.length);
});

test("one that is under way is called off; of a tenant one is measured at a time", async () => {
  const examples = Array.from({ length: 500 }, (_, i) => ({ input: `message ${i}`, output: labels[0]! }));
  expect((await post({ examples })).status).toBe(202);
  expect((await post({ examples })).status).toBe(429);
  const gone = await service.ask("/v1/specializations/triage/certificate", undefined, { method: "DELETE" });
  expect(gone.status).toBe(200);
  expect((await service.ask("/v1/specializations/triage/certificate")).status).toBe(404);
  expect((await certified({ inputs, prompt })).inputs).toBe(inputs.length);
});

test("diff says how two certificates differ, and that a content has none", async () => {
  await service.ask("/v1/specializations", { name: "shouting", prompt: "Shout.", options: { labels } });
  const diff = (against: string) => json(service.ask(`/v1/specializations/triage/diff?against=${against}`));
  const { parties } = await certified({ inputs, prompt });
  expect(await diff("shouting")).toMatchObject({
    certificates: { sameInputs: null, inputs: { from: null, to: 20 }, answers: { from: null, to: "specialized" } },
  });
  const other = await certified({ inputs, prompt: "Shout." }, "shouting");
  expect(await diff("shouting")).toMatchObject({
    certificates: {
      sameInputs: true, // the reference says the same of both
      scores: { specialized: { from: other.parties.specialized.score, to: parties.specialized.score } },
    },
  });
});

test("a specialisation that was made of examples is certified by them", async () => {
  const shots = [{ input: "hi", output: labels[3]! }];
  await service.ask("/v1/specializations", { name: "shown", prompt, examples: shots, options: { labels } });
  expect((await post({ inputs, prompt }, "shown")).status).toBe(400);
  expect((await certified({ inputs, prompt, promptExamples: shots }, "shown")).parties.prompted).toBeDefined();
});

test.each([
  ["no address", "nowhere"],
  ["a file", "file:///etc/passwd"],
  ["a password", "http://me:secret@host/v1"],
])("a reference at %s is refused", (_, url) => {
  expect(() => referenceModel({ url, model: "m" })).toThrow(expect.objectContaining({ code: "E_USAGE" }));
});

test.each([
  ["an error", () => new Response("no", { status: 500 }), "found 500"],
  ["no JSON", () => new Response("<html>"), "reference m"],
  ["too much", () => new Response(new Uint8Array(remoteLimits.answerBytes + 1)), "found more"],
  ["an answer of another form", () => Response.json({ choices: [] }), "choices"],
])("a reference that answers with %s ends in an error that names it", async (_, answer, why) => {
  const model = referenceModel({ url: "http://host", model: "m", fetch: async () => answer() });
  await expect(model.ask("p", "i")).rejects.toMatchObject({ message: expect.stringContaining(why) });
});
