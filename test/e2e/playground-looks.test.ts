/** @file The playground in headless Chromium on a phone, in the light and in the dark: in each of its states nothing is cut off, small or faint. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { noChromium } from "../support/browser-page.ts";
import { badControls, faintTexts, overhang } from "../support/playground-looks.ts";
import {
  answerOf,
  askAll,
  labelled,
  labelPrompt,
  measure,
  type PlaygroundPage,
  servePlayground,
  specialize,
} from "../support/playground-page.ts";
import { pictures, takePictures } from "../support/playground-pictures.ts";
import { openTinyPair } from "../support/tiny-pair.ts";
import { testSecret } from "../support/tiny-service.ts";

const input = "where is my parcel";

let playground: PlaygroundPage;
let page: Page;
beforeAll(async () => {
  if (noChromium !== undefined) return;
  playground = await servePlayground(await openTinyPair(), { threads: 1, secret: testSecret });
  page = (await playground.open()).page;
  await page.setViewportSize({ width: 360, height: 740 });
});
afterAll(() => playground?.[Symbol.asyncDispose]());

/** In each state, one after the other: what brings the page there. */
const states: readonly (readonly [string, () => Promise<void>])[] = [
  ["it is opened", async () => void (await page.waitForSelector("#versions-title"))],
  [
    "a prompt was specialised, and its sentences explained",
    async () => {
      await specialize(page, "a".repeat(64), "Be brief.");
      await specialize(page, "triage", labelPrompt);
      await page.click("#why");
      await page.waitForSelector("#nearest");
    },
  ],
  ["all three were asked", () => askAll(page, input)],
  [
    "a certificate has a verdict, and the ladder is shown",
    async () => {
      const own = await answerOf(playground, "triage", [{ role: "user", content: input }]);
      await measure(page, labelled(20, own), "0.9");
      await page.waitForSelector("#rungs");
    },
  ],
  [
    "two versions with long schemas are compared",
    async () => {
      const keys = Array.from({ length: 3 }, (_, i) => `"a_key_of_a_length_that_no_line_of_a_phone_holds_${i}": "…"`);
      await specialize(page, "triage", `Answer in JSON with these keys: {${keys.join(", ")}}`);
      await page.waitForSelector("#specialized[data-version='2']");
      await page.click("text=compare");
      await page.waitForSelector("#diff");
    },
  ],
  [
    "a long word without a break is asked",
    async () => {
      await specialize(page, "shout", `Shout. ${"A".repeat(50)}`);
      await askAll(page, "A".repeat(60));
    },
  ],
  [
    "things are refused",
    async () => {
      await page.fill("#name", "tiny-0");
      await page.click("#specialize");
      await page.waitForSelector(".error");
      await page.fill("#examples", `${"A".repeat(200)} => b\nc`);
      await page.click("#measure");
      await page.waitForSelector(".error:text('Line 2')");
    },
  ],
];

test.skipIf(noChromium).each(states)("when %s", async (_, bring) => {
  await bring();
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    const background = await page.evaluate("getComputedStyle(document.body).backgroundColor");
    expect(background).toBe({ light: "rgb(246, 247, 249)", dark: "rgb(20, 23, 27)" }[colorScheme]);
    expect({
      overhang: await overhang(page),
      badControls: await badControls(page),
      faintTexts: await faintTexts(page),
    }).toEqual({ overhang: 0, badControls: [], faintTexts: [] });
  }
});

test.skipIf(noChromium)("the pictures of the docs can be made anew: npm run pictures", async () => {
  const examples = Array.from({ length: 20 }, (_, i) => ({ input: `${input} ${i}`, expected: "delivery" }));
  const scenario = {
    name: "shown",
    prompt: labelPrompt,
    changed: "The labels are: billing, delivery, praise, refund.",
    examples,
  };
  const pathOf = (picture: string): string => join(playground.folder, `${picture}.png`);
  await takePictures(playground, scenario, pathOf);
  for (const picture of pictures)
    expect((await readFile(pathOf(picture))).toString("latin1", 1, 4), picture).toBe("PNG");
  expect((await readFile(pathOf("phone"))).readUInt32BE(16)).toBe(360); // its width
});

test.skipIf(noChromium)("what is cut off, small or faint is found: changes for the worse are seen", async () => {
  await page.evaluate(`(() => {
    document.querySelector("h2").style.width = "400px";
    Object.assign(document.querySelector("#ask").style, { padding: 0, minHeight: 0, fontSize: "8px" });
    document.querySelector("h2").style.color = "#555";
  })()`);
  expect(await overhang(page)).toBeGreaterThan(0);
  expect(await badControls(page)).toEqual(["ask"]);
  expect(await faintTexts(page)).toEqual([expect.stringContaining("Prompt")]);
});
