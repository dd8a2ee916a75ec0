/** @file The playground in headless Chromium, by what a user does: a prompt is specialised, asked, measured, compared, taken away and taken back. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sha256 } from "../../src/base/hash.ts";
import { quantizations } from "../../src/models/quantized/layout.ts";
import { type KeyFile, scopes } from "../../src/server/keys.ts";
import type { Certificate, Rung } from "../../src/server/trust/certificate.ts";
import { noChromium } from "../support/browser-page.ts";
import {
  answerOf,
  askAll,
  labelled,
  labelPrompt,
  labels,
  measure,
  type PlaygroundPage,
  servePlayground,
  specialize,
} from "../support/playground-page.ts";
import { openTinyPair } from "../support/tiny-pair.ts";
import { testSecret } from "../support/tiny-service.ts";

const input = "where is my parcel";
const user = { role: "user", content: input };

let playground: PlaygroundPage;
let opened: Awaited<ReturnType<PlaygroundPage["open"]>>;
let page: Page;
beforeAll(async () => {
  if (noChromium !== undefined) return;
  playground = await servePlayground(await openTinyPair(), { threads: 1, secret: testSecret });
  opened = await playground.open();
  page = opened.page;
});
afterAll(() => playground?.[Symbol.asyncDispose]());

const text = async (selector: string): Promise<string> => (await page.textContent(selector))!.trim();
const certificateOf = async (model: string) =>
  (await playground.ask<{ certificate: Certificate }>(`/v1/specializations/${model}/certificate`)).certificate;

test.skipIf(noChromium)("a prompt becomes gates, and the labels in it are found", async () => {
  await specialize(page, "triage", labelPrompt);
  expect(await text("#constraint")).toContain("billing, delivery, refund");
  const { content } = await playground.ask<{ content: { gates: number[][] } }>("/v1/specializations/triage@1");
  expect(await page.locator(".gates rect").count()).toBe(content.gates.flat().length);
  const opacities = await page
    .locator(".gates rect")
    .evaluateAll((all) => all.map((each) => Number(each.getAttribute("fill-opacity"))));
  const largest = Math.max(...content.gates.flat().map(Math.abs));
  expect(opacities).toEqual(content.gates.flat().map((gate) => expect.closeTo(Math.abs(gate) / largest, 6) as number));
});

test.skipIf(noChromium)("which sentence moved the gates is shown", async () => {
  await page.click("#why");
  await page.waitForSelector("#nearest");
  const shown = await page.locator("#sentences li").allTextContents();
  expect(shown.map((each) => each.replace(/^.*?%: | \(most.*$/g, "")).sort()).toEqual([
    "Say what the customer wants.",
    "The labels are: billing, delivery, refund.",
  ]);
});

test.skipIf(noChromium)("all that is offered to take away arrives: numbers, PEFT, GGUF, ONNX", async () => {
  const offered = await page.locator("#downloads :is(a, button)").evaluateAll((all) => all.map(({ id }) => id));
  expect(offered).toEqual(["download", "download-peft", "download-gguf", "download-onnx"]);
  const files: Record<string, string> = {};
  for (const id of offered) {
    const download = page.waitForEvent("download");
    await page.click(`#${id}:not(:disabled)`);
    const taken = await download;
    const path = join(playground.folder, taken.suggestedFilename());
    await taken.saveAs(path);
    files[taken.suggestedFilename()] = path;
    await page.waitForSelector("#download-peft:not(:disabled)");
  }
  const within = (file: string): string => execFileSync("tar", ["-tf", files[file]!], { encoding: "utf8" });
  expect(Object.keys(files)).toEqual(["triage-1.json", "triage-1-peft.tar", "triage-1-gguf.tar", "triage-1-onnx.tar"]);
  expect(within("triage-1-peft.tar")).toContain("adapter_model.safetensors\n");
  expect(within("triage-1-gguf.tar")).toContain("adapter.gguf\n");
  expect(within("triage-1-onnx.tar")).toContain("onnx/model.onnx\n");
  expect(await page.locator("[id^=refused]").count()).toBe(0);
});

test.skipIf(noChromium)("one question is answered by all three as the service answers them", async () => {
  await askAll(page, input);
  const shown = await page.locator(".answer .text").allTextContents();
  const system = { role: "system", content: labelPrompt };
  expect(shown).toEqual([
    await answerOf(playground, "tiny-0", [user], "triage"),
    await answerOf(playground, "tiny-0", [system, user], "triage"),
    await answerOf(playground, "triage", [user]),
  ]);
  expect(labels).toContain(shown[2]);
  for (const numbers of await page.locator(".answer .numbers").allTextContents())
    expect(numbers).toMatch(/^\d+ tokens read · \d+ ms alone · \d+ % sure$/);
});

/** The rows of the ledger: who, tokens, milliseconds. */
const ledger = (by: string): Promise<string[][]> =>
  page
    .locator(`#costs [data-by=${by}] tr:has(td)`)
    .evaluateAll((rows) => rows.map((row) => Array.from(row.children, ({ textContent }) => textContent.trim())));
const isPaidBack =
  /the cloud pass is (paid back after \d+ questions?|not paid back after any number of questions\. .*)\.$/;

test.skipIf(noChromium)(
  "the ledger has the mean of the questions so far, and when the cloud pass is paid back",
  async () => {
    const tokensOf = async (who: string) => Number((await text(`[data-who=${who}] .numbers`)).split(" ")[0]);
    const askers = ["base", "prompted", "specialized"];
    const first = await Promise.all(askers.map(tokensOf));
    expect((await ledger("asked")).map((row) => Number(row[1]))).toEqual(first);
    await askAll(page, `${input}, it should have been here last week`);
    const second = await Promise.all(askers.map(tokensOf));
    expect(second[0]).toBeGreaterThan(first[0]!);
    const asked = await ledger("asked");
    expect(asked.map(([who]) => who)).toEqual(["base", "prompted", "specialised"]);
    expect(asked.map((row) => row[1])).toEqual(first.map((tokens, i) => ((tokens + second[i]!) / 2).toFixed(0)));
    expect(await text("#costs [data-by=asked] [scope=rowgroup]")).toBe("asked here, mean of 2");
    const [, prompted, specialized] = asked.map((row) => Number(row[2]));
    const [[, , cloudMs]] = (await ledger("cloud")) as [string[]];
    expect(cloudMs).toMatch(/^\d+$/);
    const said = await text("#break-even [data-by=asked]");
    expect(said).toMatch(isPaidBack);
    if (prompted! > specialized! + 1) expect(said).toContain("is paid back after");
    if (prompted! < specialized! - 1) expect(said).toContain("not paid back after any number of questions");
    expect(await page.locator(".chart canvas").count()).toBe(1);
    await page.fill("#input", input);
  },
);

test.skipIf(noChromium)("labelled examples give a certificate, and a line in the ledger", async () => {
  await measure(page, labelled(20, await answerOf(playground, "triage", [user])), "0.5");
  const found = await certificateOf("triage");
  expect(await page.getAttribute("#certificate", "data-rung")).toBe(found.rung ?? "none");
  expect(await text("#certificate")).toContain("20 inputs");
  expect(await text("#judge")).toBe("Held against the answers that were given.");
  const [, , specialized] = await ledger("certified");
  expect(specialized!.slice(1)).toEqual([
    found.parties.specialized.inputTokens.toFixed(0),
    found.parties.specialized.ms!.toFixed(0),
  ]);
  expect(await text("#break-even [data-by=certified]")).toMatch(isPaidBack);
});

test.skipIf(noChromium)(
  "inputs alone are held against the prompted model, and how far it is ahead is shown",
  async () => {
    await measure(page, ['{"input": "where is my parcel"}', '{"input": "the card was charged twice"}']);
    const { ahead, firstTokenKl, reference, saved, parties } = await certificateOf("triage");
    expect(reference).toEqual({ kind: "prompted-edge" });
    expect(await text("#judge")).toContain("Held against the prompted edge model's own answers");
    expect(await text("#kl")).toContain(`${firstTokenKl!.mean.toFixed(3)} nats`);
    const shown = await page
      .locator("#ahead tbody tr")
      .evaluateAll((rows) => rows.map(({ dataset }) => dataset["party"]));
    expect(shown).toEqual(["base", "control", "prompted"]);
    expect(await text("#saved-specialized")).toContain(
      `saves ${saved!.specialized!.inputTokens.mean.toFixed(1)} tokens`,
    );
    const free = parties.specialized.kept!.free!;
    expect(await text("#kept [data-party=specialized] td")).toMatch(new RegExp(`^${(100 * free.mean).toFixed(0)} \\(`));
    const signed = (value: number) => `${value >= 0 ? "+" : "−"}${(100 * Math.abs(value)).toFixed(0)}`;
    for (const party of ["base", "control", "prompted"] as const) {
      const { mean, low, high } = ahead[party]!;
      expect(await text(`#ahead [data-party=${party}] td`)).toBe(`${signed(mean)} (${signed(low)} to ${signed(high)})`);
    }
  },
);

test.skipIf(noChromium)("lines that are not all of one kind are refused before anything is asked", async () => {
  await page.fill("#examples", "where is it => delivery\nwho paid");
  await page.fill("#threshold", "");
  await page.click("#measure");
  await page.waitForSelector(".error:text('Line 2: expected an answer in every line or in none')");
});

test.skipIf(noChromium)("a certificate that is kept stays where another is refused", async () => {
  await page.fill("#examples", labelled(3, "delivery").join("\n"));
  await page.fill("#threshold", "0.5");
  await page.click("#measure");
  await page.waitForSelector(".error:text('at least 20 inputs')");
  expect(await page.locator("#certificate").allTextContents()).toEqual([expect.stringContaining("2 inputs")]);
  await page.fill("#threshold", "");
});

test.skipIf(noChromium)("answers, costs and certificates that are shown are of the selected version", async () => {
  const answers = () => page.locator(".answer .text").allTextContents();
  expect((await answers()).every((each) => each !== "")).toBe(true);
  await specialize(page, "shout", "Shout.");
  expect(await answers()).toEqual(["", "", ""]);
  for (const shown of ["#costs", "#certificate"]) expect(await page.locator(shown).count()).toBe(0);
  expect(await page.inputValue("#input")).toBe(input);
  await page.click("#names li:has(b:text-is('triage')) button");
  await page.waitForSelector("#certificate");
  expect(await page.inputValue("#prompt")).toBe(labelPrompt); // it is known on this page
  expect(await text("#costs [data-by=asked] [scope=rowgroup]")).toBe("asked here, mean of 2");
  expect(await text("#break-even [data-by=asked]")).toMatch(isPaidBack);
});

test.skipIf(noChromium)(
  "a free answer grows while it is written: what was seen is the beginning of its end",
  async () => {
    await page.click("#names li:has(b:text-is('shout')) button");
    await page.waitForSelector("#specialized[data-name=shout]");
    await page.evaluate(`(() => {
    window.seen = {};
    for (const each of document.querySelectorAll(".answer")) {
      const who = each.dataset.who;
      seen[who] = [];
      new MutationObserver(() => seen[who].push(each.querySelector(".text").textContent))
        .observe(each, { subtree: true, childList: true, characterData: true });
    }
  })()`);
    await askAll(page, input);
    const seen = await page.evaluate<Record<string, string[]>>("seen");
    for (const who of ["base", "prompted", "specialized"]) {
      const end = await page.locator(`[data-who=${who}] .text`).evaluate((each) => each.textContent);
      const begun = seen[who]!.filter((each) => each !== "" && each.length < end.length);
      expect(new Set(begun).size, who).toBeGreaterThan(2);
      for (const each of seen[who]!) expect(end.startsWith(each), who).toBe(true);
      const lengths = seen[who]!.map(({ length }) => length);
      expect(lengths, who).toEqual([...lengths].sort((a, b) => a - b));
    }
  },
);

test.skipIf(noChromium)("gates are refined on a few examples, and each rung says what became of it", async () => {
  await page.click("#names li:has(b:text-is('triage')) button");
  await page.waitForSelector("#certificate");
  const texts = Array.from({ length: 26 }, (_, i) => `${input}${"?".repeat(i)}`);
  const own = await Promise.all(texts.map((content) => answerOf(playground, "triage", [{ role: "user", content }])));
  const other = own.map((answer) => (answer === "refund" ? "billing" : "refund")); // what it never answers
  await page.fill("#examples", texts.map((each, i) => `${each} => ${other[i]}`).join("\n"));
  await page.fill("#threshold", "0.9");
  await page.fill("#refine", "6");
  await page.check("#fallback");
  await page.click("#measure");
  await page.waitForSelector("#rungs");
  const certificate = await certificateOf("triage");
  expect(certificate).toMatchObject({ refinedOn: 6, inputs: 20 });
  const rung = (name: Rung) => text(`#rungs [data-rung=${name}]`);
  expect(await rung("specialized")).toContain("scores 0 %, less than 90 %");
  const taken = await page
    .locator("#rungs [aria-current]")
    .evaluateAll((all) => all.map((each) => each.dataset["rung"]));
  expect(taken).toEqual(certificate.rung ? [certificate.rung] : []);
  if (certificate.rung) expect(await rung(certificate.rung)).toContain("it answers for this name");
  for (const [name, why] of Object.entries(certificate.notTried ?? {}))
    expect(await rung(name as Rung)).toContain(`not tried: ${why}`);
  await page.click("#forget");
  await page.waitForSelector("#rungs", { state: "detached" });
  expect((await fetch(`${playground.url}/v1/specializations/triage/certificate`)).status).toBe(404);
});

test.skipIf(noChromium)(
  "two versions are compared by their gates, prompts, forms and certificates; one goes back",
  async () => {
    await measure(page, ['{"input": "where is my parcel", "target": "delivery"}']);
    await specialize(page, "triage", "Shout.");
    await page.waitForSelector("#specialized[data-version='2']");
    await page.click("text=compare");
    await page.waitForSelector("#diff");
    const diff = await playground.ask<{ gates: { layer: number; expert: number; from: number; to: number }[] }>(
      "/v1/specializations/triage@2/diff?against=triage@1",
    );
    const shown = await text("#diff");
    expect(shown).toContain(`${diff.gates.length} of 8 gates differ`);
    expect(shown).toContain("another prompt; answers of another form");
    const titles = await page.locator("#diff rect title").allTextContents();
    expect(titles).toHaveLength(8);
    for (const { layer, expert, from, to } of diff.gates)
      expect(titles).toContain(`layer ${layer + 1}, expert ${expert + 1}: ${from.toFixed(3)} → ${to.toFixed(3)}`);
    const rows = await page
      .locator("#diff tr")
      .evaluateAll((all) => all.map((row) => Array.from(row.children, ({ textContent }) => textContent)));
    const { score } = (await certificateOf("triage@1")).parties.specialized;
    const percent = (value: number) => (100 * value).toFixed(0);
    expect(rows).toEqual([
      ["", "triage@1", "triage@2"],
      ["prompt", expect.stringMatching(/^\d+ tokens$/), expect.stringMatching(/^\d+ tokens$/)],
      ["answers", "Answers are one of: billing, delivery, refund.", "Answers are free text."],
      [
        "score, % (95 % interval)",
        `${percent(score.mean)} (${percent(score.low)} to ${percent(score.high)}), 1 input`,
        "no certificate",
      ],
    ]);
    await page.click("text=go back to it");
    await page.waitForSelector("#names [aria-pressed=true]:text('@1')");
  },
);

test.skipIf(noChromium)(
  "a certificate that was made elsewhere is there when its version is chosen, also after a reload",
  async () => {
    const path = "/v1/specializations/shout/certificate";
    await playground.ask(path, { examples: labelled(3, "PARCEL").map((line) => ({ input: line, output: "HERE" })) });
    await page.reload();
    expect(await page.locator("#certificate").count()).toBe(0);
    await page.click("#names li:has(b:text-is('shout')) button");
    await page.waitForSelector("#certificate"); // waited for, where it is still measured
    expect(await text("#certificate")).toContain("3 inputs");
    expect(await page.inputValue("#prompt")).toBe("");
    const [[, , cloudMs]] = (await ledger("cloud")) as [string[]];
    expect(cloudMs).toMatch(/^\d+$/); // kept by the tab
    expect(await text("#break-even [data-by=certified]")).toContain("not known, for the prompted model was not timed");
  },
);

test.skipIf(noChromium)("what is answered late of another version changes nothing that is shown", async () => {
  const ofTriage = /triage%401\/certificate$/;
  let release: () => void = () => undefined;
  const held = new Promise<void>((done) => {
    release = done;
  });
  await page.route(ofTriage, async (route) => {
    if (route.request().method() !== "POST") return route.continue();
    await held;
    return route.fulfill({ status: 400, json: { error: { message: "late" } } });
  });
  await page.click("#names li:has(b:text-is('triage')) button");
  await page.waitForSelector("#specialized[data-name=triage]");
  await page.fill("#examples", `${input} => delivery`);
  await page.click("#measure");
  await page.click("#names li:has(b:text-is('shout')) button");
  await page.waitForSelector("#certificate:has-text('3 inputs')");
  const late = page.waitForResponse((response) => ofTriage.test(response.url()) && response.status() === 400);
  release();
  await (await late).finished();
  await page.evaluate("fetch('/healthz').then((answer) => answer.text())"); // the page has read the late answer by then
  expect(await page.locator("#certificate").allTextContents()).toEqual([expect.stringContaining("3 inputs")]);
  await page.unroute(ofTriage);
});

test.skipIf(noChromium)("no script failed, and nothing was asked of another address", () => {
  expect(opened.errors).toEqual([]);
});

test.skipIf(noChromium)("a key that is half typed stays while the page changes", async () => {
  await page.fill("#key", "half");
  await page.evaluate(`(() => {
    const prompt = document.querySelector("#prompt");
    prompt.value = "Be brief.";
    prompt.dispatchEvent(new Event("input"));
  })()`);
  await page.waitForSelector("#specialize:not(:disabled)"); // the page has been drawn anew
  expect(await page.inputValue("#key")).toBe("half");
  await page.fill("#key", "");
});

test.skipIf(noChromium)("what is refused is said", async () => {
  await page.fill("#prompt", "Shout.");
  await page.fill("#name", "tiny-0");
  await page.click("#specialize");
  await page.waitForSelector(".error:text('is the base model')");
});

test.skipIf(noChromium)("a format that the service cannot make is not offered, and the reason is said", async () => {
  const pair = await openTinyPair({}, { quantize: { edge: quantizations.int8 } });
  await using quantised = await servePlayground(pair, { threads: 1, secret: testSecret });
  const other = await quantised.open();
  await specialize(other.page, "triage", labelPrompt);
  const offered = other.page.locator("#downloads :is(a, button)");
  expect(await offered.evaluateAll((all) => all.map(({ id }) => id))).toEqual([
    "download",
    "download-peft",
    "download-gguf",
  ]);
  expect(await other.page.textContent("#refused-onnx")).toContain("which this service holds quantised");
  expect(other.errors).toEqual([]);
});

test.skipIf(noChromium)("another key shows nothing of what the one before could see", async () => {
  const keys: KeyFile = {
    format: "lora-gen keys 1",
    keys: ["one", "two"].map((tenant) => ({
      name: tenant,
      sha256: sha256(`key-${tenant}`),
      tenant,
      scopes: [...scopes],
    })),
  };
  await using guarded = await servePlayground(await openTinyPair(), { threads: 1, secret: testSecret, keys });
  const { page } = await guarded.open();
  const enter = async (key: string): Promise<void> => {
    await page.fill("#key", key);
    await page.press("#key", "Tab");
  };
  const shown = async () => [await page.locator("#names li").count(), await page.locator("#specialized").count()];
  await enter("key-one");
  await page.waitForSelector("header p:has-text('base model is')");
  await specialize(page, "triage", labelPrompt);
  await page.waitForSelector("#names li");
  for (const other of ["key-two", "key-none"]) {
    await enter(other);
    await page.waitForSelector("text=No prompt has been specialised yet.");
    expect(await shown()).toEqual([0, 0]);
  }
  await page.waitForSelector("header .error");
  await enter("key-one");
  await page.waitForSelector("#names li");
  expect(await shown()).toEqual([1, 0]);
});
