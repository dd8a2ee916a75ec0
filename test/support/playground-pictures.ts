/** @file The pictures of the page that the docs have, taken while a scenario is gone through. */
import type { Page } from "playwright-core";
import { askAll, measure, type PlaygroundPage, specialize } from "./playground-page.ts";

export type PictureScenario = {
  readonly name: string;
  readonly prompt: string;
  /** What the prompt becomes: a second version. */
  readonly changed: string;
  readonly examples: readonly { readonly input: string; readonly expected: string }[];
};

/** In the order in which they are taken. */
export const pictures = ["prompt", "answers", "costs", "certificate", "diff", "phone"] as const;

/** @param pathOf where a picture is written */
export async function takePictures(
  { open }: Pick<PlaygroundPage, "open">,
  { name, prompt, changed, examples }: PictureScenario,
  pathOf: (picture: (typeof pictures)[number]) => string,
): Promise<void> {
  const { page, errors } = await open();
  page.setDefaultTimeout(3_600_000); // a certificate asks many questions
  await page.setViewportSize({ width: 1180, height: 900 });
  const take = async (picture: (typeof pictures)[number], section: string) =>
    void (await page.locator(`section[aria-labelledby=${section}-title]`).screenshot({ path: pathOf(picture) }));
  await specialize(page, name, prompt);
  await page.click("#why");
  await page.waitForSelector("#nearest");
  await take("prompt", "prompt");
  for (const { input } of examples.slice(0, 3)) await askAll(page, input);
  await take("answers", "ask");
  const lines = examples.map(({ input, expected }) => `${input} => ${expected}`);
  await measure(page, lines, "0.8");
  await page.waitForSelector("#rungs");
  await take("certificate", "certificate");
  await take("costs", "cost");
  await specialize(page, name, changed);
  await page.waitForSelector("#specialized[data-version='2']");
  await measure(page, lines);
  await page.click("text=compare");
  await page.waitForSelector("#diff");
  await take("diff", "versions");
  await onPhone(page, pathOf("phone"));
  if (errors.length > 0) throw new Error(`the page reported: ${errors.join("; ")}`);
}

/** The first version's gates and answers, in the dark. */
async function onPhone(page: Page, path: string): Promise<void> {
  await page.click("#names button");
  await page.waitForSelector("#specialized[data-version='1']");
  await page.setViewportSize({ width: 360, height: 1240 });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.locator("#prompt-title").evaluate((each) => each.scrollIntoView());
  await page.screenshot({ path });
}
