/** @file The playground in headless Chromium by keyboard alone: nothing is clicked, filled or focused by the test. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { noChromium } from "../support/browser-page.ts";
import { focused, usableControls } from "../support/playground-looks.ts";
import { answerOf, labelled, labelPrompt, type PlaygroundPage, servePlayground } from "../support/playground-page.ts";
import { openTinyPair } from "../support/tiny-pair.ts";
import { testSecret } from "../support/tiny-service.ts";

let playground: PlaygroundPage;
let page: Page;
beforeAll(async () => {
  if (noChromium !== undefined) return;
  playground = await servePlayground(await openTinyPair(), { threads: 1, secret: testSecret });
  page = (await playground.open()).page;
});
afterAll(() => playground?.[Symbol.asyncDispose]());

/** Presses Tab until a control has the focus; of those of the same name the first. */
async function tabTo(name: string): Promise<void> {
  const most = 2 * ((await usableControls(page)).length + 2);
  for (let i = 0; i < most; i++) {
    if ((await focused(page)).name === name) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not reach ${name}`);
}

async function type(name: string, text: string): Promise<void> {
  await tabTo(name);
  await page.keyboard.press("Control+A");
  // A line break in a form would send it; in a text of several lines it is one.
  for (const [i, line] of text.split("\n").entries()) {
    if (i > 0) await page.keyboard.press("Enter");
    await page.keyboard.insertText(line);
  }
}

async function press(name: string, key: "Enter" | "Space"): Promise<void> {
  await tabTo(name);
  await page.keyboard.press(key);
}

test.skipIf(noChromium)("a prompt is specialised, and its sentences are explained", async () => {
  await type("prompt", labelPrompt);
  await type("name", "triage");
  await press("specialize", "Enter");
  await page.waitForSelector("#specialized[data-name=triage][data-version='1']");
  await press("why", "Space");
  await page.waitForSelector("#nearest");
});

test.skipIf(noChromium).each([
  ["download", "Enter", "triage-1.json"],
  ["download-peft", "Enter", "triage-1-peft.tar"],
  ["download-gguf", "Space", "triage-1-gguf.tar"],
  ["download-onnx", "Enter", "triage-1-onnx.tar"],
] as const)("it is taken away: %s by %s", async (name, key, file) => {
  await page.waitForSelector("#download-peft:not(:disabled)");
  const download = page.waitForEvent("download");
  await press(name, key);
  expect((await download).suggestedFilename()).toBe(file);
});

test.skipIf(noChromium)("all three are asked, and what that costs is shown", async () => {
  await type("input", "where is my parcel");
  await press("ask", "Enter");
  await page.waitForSelector("#costs");
});

test.skipIf(noChromium)("a certificate is measured with a verdict, and forgotten", async () => {
  const own = await answerOf(playground, "triage", [{ role: "user", content: "where is my parcel" }]);
  await type("examples", labelled(26, own).join("\n"));
  await type("threshold", "0.9");
  await type("refine", "6");
  await press("fallback", "Space");
  await press("measure", "Enter");
  await page.waitForSelector("#rungs");
  await press("forget", "Enter");
  await page.waitForSelector("#certificate", { state: "detached" });
});

test.skipIf(noChromium)("versions are compared, one goes back to the first, and another is chosen", async () => {
  await type("prompt", "Shout.");
  await press("specialize", "Enter");
  await page.waitForSelector("#specialized[data-version='2']");
  await press("triage compare", "Enter");
  await page.waitForSelector("#diff");
  await press("triage go back to it", "Space");
  await page.waitForSelector("#names [aria-pressed=true]:text('@1')");
  await press("triage @1", "Enter");
  await page.waitForSelector("#specialized[data-version='1']");
});

test.skipIf(noChromium)(
  "Tab goes to every control in the order of the page, and each shows that it has the focus",
  async () => {
    await page.reload();
    await page.waitForSelector("#names button");
    await press("triage @1", "Enter");
    await page.waitForSelector("#specialized");
    await type("prompt", "Shout.");
    await type("input", "where is my parcel");
    const wanted = await usableControls(page);
    expect(wanted.length).toBeGreaterThan(18);
    for (const name of [
      "key",
      "why",
      "download-onnx",
      "measure",
      "triage @2",
      "triage compare",
      "triage go back to it",
    ])
      expect(wanted).toContain(name);
    await tabTo(wanted[0]!);
    const found: string[] = [];
    for (const _ of wanted) {
      const { name, isOutlined } = await focused(page);
      found.push(isOutlined ? name : `${name}: the focus is not seen`);
      await page.keyboard.press("Tab");
    }
    expect(found).toEqual(wanted);
  },
);
