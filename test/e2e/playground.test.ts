/** @file The playground in headless Chromium, by what a user does: a prompt is specialised, asked, measured, taken back. */
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Certificate, Rung } from "../../src/server/trust/certificate.ts";
import { noChromium, openPage } from "../support/browser-page.ts";
import { type PlaygroundPage, servePlayground, takePicture } from "../support/playground-page.ts";
import { openTinyPair } from "../support/tiny-pair.ts";

const prompt = "Say what the customer wants. The labels are: billing, delivery, refund.";
const input = "where is my parcel";

let folder: string;
let playground: PlaygroundPage;
let opened: { readonly page: Page; readonly errors: readonly string[] };
let page: Page;
beforeAll(async () => {
  if (noChromium !== undefined) return;
  folder = await mkdtemp(join(tmpdir(), "loragen-playground-"));
  const secret = new Uint8Array(32).fill(7);
  playground = await servePlayground(await openTinyPair(), folder, { threads: 1, secret });
  opened = await openPage(playground.browser, playground.url);
  page = opened.page;
});
afterAll(async () => {
  await playground?.[Symbol.asyncDispose]();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

const ask = async (path: string, body: object) =>
  (await fetch(`${playground.url}${path}`, { method: "POST", body: JSON.stringify(body) })).json() as Promise<{
    choices: { message: { content: string } }[];
  }>;
const answerOf = async (model: string, messages: readonly object[], like?: string): Promise<string> =>
  (await ask("/v1/chat/completions", { model, messages, max_tokens: 96, constraint_of: like })).choices[0]!.message
    .content;
const user = { role: "user", content: input };

test.skipIf(noChromium)("by keyboard alone a prompt becomes gates, and the labels in it are found", async () => {
  await page.focus("#prompt");
  await page.keyboard.type(prompt);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Control+A");
  await page.keyboard.type("triage");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#specialized[data-name=triage][data-version='1']");
  expect(await page.textContent("#constraint")).toContain("billing, delivery, refund");
  const shown = await fetch(`${playground.url}/v1/specializations/triage@1`);
  const { content } = (await shown.json()) as { content: { gates: number[][] } };
  expect(await page.locator(".gates rect").count()).toBe(content.gates.flat().length);
});

test.skipIf(noChromium)("which sentence moved the gates is shown", async () => {
  await page.click("#why");
  await page.waitForSelector("#nearest");
  const shown = await page.locator("#sentences li").allTextContents();
  expect(shown.map((text) => text.replace(/^.*?%: | \(most.*$/g, "")).sort()).toEqual([
    "Say what the customer wants.",
    "The labels are: billing, delivery, refund.",
  ]);
});

test.skipIf(noChromium)("it is taken away as a PEFT adapter", async () => {
  const download = page.waitForEvent("download");
  await page.click("#download-peft");
  const taken = await download;
  expect(taken.suggestedFilename()).toBe("triage-1-peft.tar");
  const path = join(folder, "taken.tar");
  await taken.saveAs(path);
  expect(execFileSync("tar", ["-tf", path], { encoding: "utf8" })).toContain("adapter_model.safetensors\n");
});

test.skipIf(noChromium)("one question is answered by all three as the service answers them", async () => {
  await page.fill("#input", input);
  await page.click("#ask");
  await page.waitForSelector("#costs");
  const shown = await page.locator(".answer .text").allTextContents();
  const system = { role: "system", content: prompt };
  expect(shown).toEqual([
    await answerOf("tiny-0", [user], "triage"),
    await answerOf("tiny-0", [system, user], "triage"),
    await answerOf("triage", [user]),
  ]);
  expect(["billing", "delivery", "refund"]).toContain(shown[2]);
  expect(await page.locator(".answer .numbers").last().textContent()).toMatch(
    /^\d+ tokens read · \d+ ms · \d+ % sure$/,
  );
  expect(await page.locator(".chart canvas").count()).toBe(1);
});

test.skipIf(noChromium)("labelled examples give a certificate", async () => {
  const own = await answerOf("triage", [user]);
  await page.fill("#examples", Array.from({ length: 20 }, () => `${input} => ${own}`).join("\n"));
  await page.fill("#threshold", "0.5");
  await page.click("#measure");
  await page.waitForSelector("#certificate[data-rung=specialized]");
  expect(await page.textContent("#certificate")).toContain("20 inputs");
});

test.skipIf(noChromium)("answers, costs and certificates that are shown are of the selected version", async () => {
  const answers = () => page.locator(".answer .text").allTextContents();
  expect((await answers()).every((text) => text !== "")).toBe(true);
  await page.fill("#name", "twin");
  await page.click("#specialize");
  await page.waitForSelector("#specialized[data-name=twin]");
  expect(await answers()).toEqual(["", "", ""]);
  for (const shown of ["#costs", "#certificate"]) expect(await page.locator(shown).count()).toBe(0);
  expect(await page.inputValue("#input")).toBe(input);
  await page.click("#names li:has(b:text-is('triage')) button");
  await page.waitForSelector("#certificate[data-rung=specialized]");
  await page.fill("#name", "triage");
});

test.skipIf(noChromium)(
  "by keyboard gates are refined on a few examples, and each rung says what became of it",
  async () => {
    const texts = Array.from({ length: 26 }, (_, i) => `${input}${"?".repeat(i)}`);
    const own = await Promise.all(texts.map((content) => answerOf("triage", [{ role: "user", content }])));
    const other = own.map((answer) => (answer === "refund" ? "billing" : "refund")); // what it never answers
    await page.fill("#examples", texts.map((text, i) => `${text} => ${other[i]}`).join("\n"));
    await page.focus("#threshold");
    await page.keyboard.press("Control+A");
    await page.keyboard.type("0.9");
    await page.keyboard.press("Tab");
    await page.keyboard.type("6");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Space");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#rungs");
    const shown = await fetch(`${playground.url}/v1/specializations/triage/certificate`);
    const { certificate } = (await shown.json()) as { certificate: Certificate };
    expect(certificate).toMatchObject({ refinedOn: 6, inputs: 20 });
    const rung = (name: Rung) => page.textContent(`#rungs [data-rung=${name}]`);
    expect(await rung("specialized")).toContain("scores 0 %, less than 90 %");
    const taken = await page
      .locator("#rungs [aria-current]")
      .evaluateAll((all) => all.map((each) => each.dataset.rung));
    expect(taken).toEqual(certificate.rung ? [certificate.rung] : []);
    if (certificate.rung) expect(await rung(certificate.rung)).toContain("it answers for this name");
    for (const [name, why] of Object.entries(certificate.notTried ?? {}))
      expect(await rung(name as Rung)).toContain(`not tried: ${why}`);
    await page.click("#forget");
    await page.waitForSelector("#rungs", { state: "detached" });
    expect((await fetch(shown.url)).status).toBe(404);
  },
);

test.skipIf(noChromium)("versions are compared, and one goes back to the first", async () => {
  await page.fill("#prompt", "Shout.");
  await page.click("#specialize");
  await page.waitForSelector("#specialized[data-version='2']");
  await page.click("text=compare");
  await page.waitForSelector("#diff");
  expect(await page.textContent("#diff")).toMatch(/^triage@1 and @2: \d+ gates differ.*other prompts/);
  await page.click("text=go back to it");
  await page.waitForSelector("#names [aria-pressed=true]:text('@1')");
});

test.skipIf(noChromium)("the picture of the docs can be made anew: npm run picture", async () => {
  const shown = await openPage(playground.browser, playground.url);
  const samples = [{ input, expected: "delivery" }];
  const path = join(folder, "picture.png");
  await takePicture(shown.page, { name: "shown", title: "shown", prompt, samples }, path);
  const bytes = await readFile(path);
  expect([bytes.toString("latin1", 1, 4), bytes.readUInt32BE(16)]).toEqual(["PNG", 1100]); // its width
  expect(shown.errors).toEqual([]);
});

test.skipIf(noChromium)("on a phone and in the dark nothing is cut off, and what is refused is said", async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  await page.emulateMedia({ colorScheme: "dark" });
  const isCut = await page.evaluate("document.documentElement.scrollWidth > innerWidth");
  expect(isCut).toBe(false);
  expect(await page.evaluate("getComputedStyle(document.body).backgroundColor")).toBe("rgb(20, 23, 27)");
  expect(opened.errors).toEqual([]); // no script failed, and nothing was asked of another address
  await page.fill("#name", "tiny-0");
  await page.click("#specialize");
  await page.waitForSelector(".error:text('is the base model')");
});
