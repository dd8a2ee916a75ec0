/** @file The page that the service shows, over a pair, in headless Chromium; what a user does there; and the pictures of it that the docs have. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { build } from "vite";
import type { Pair } from "../../src/pair/pair-file.ts";
import { readPlayground } from "../../src/server/playground-file.ts";
import { listenOn } from "../../src/server/serve.ts";
import { createService, type ServiceOptions } from "../../src/server/service.ts";
import { openStore } from "../../src/server/store/store.ts";
import { launchBrowser, openPage } from "./browser-page.ts";
import { root } from "./loragen.ts";

export type PlaygroundPage = AsyncDisposable & {
  readonly url: string;
  readonly browser: Browser;
  /** For files that a test writes; gone at the end. */
  readonly folder: string;
  /** Asks the service as a program does: POST with a body. */
  readonly ask: <T>(path: string, body?: object) => Promise<T>;
  /** A page as a user opens it, with what it reported as errors so far. */
  readonly open: () => ReturnType<typeof openPage>;
};

/** Builds the page and serves it. */
export async function servePlayground(pair: Pair, options: ServiceOptions = {}): Promise<PlaygroundPage> {
  const folder = await mkdtemp(join(tmpdir(), "loragen-playground-"));
  const out = join(folder, "web");
  const configFile = join(root, "web/vite.config.ts");
  await build({ configFile, logLevel: "error", build: { outDir: out, emptyOutDir: true } });
  const store = await openStore(join(folder, "store"));
  const playground = await readPlayground(out);
  const service = await createService(pair, store, { ...options, playground });
  const { url, close } = await listenOn(service.fetch, { host: "127.0.0.1", port: 0 });
  const browser = await launchBrowser();
  return {
    url,
    browser,
    folder,
    async ask<T>(path: string, body?: object): Promise<T> {
      const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
      return (await fetch(`${url}${path}`, init)).json() as Promise<T>;
    },
    // A version without a certificate is answered with 404, which the browser reports as an error.
    open: () => openPage(browser, url, (asked) => asked.endsWith("/certificate")),
    async [Symbol.asyncDispose]() {
      await browser.close();
      await close();
      await service.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What the tests of the page specialise: its answers are labels. */
export const labelPrompt = "Say what the customer wants. The labels are: billing, delivery, refund.";
export const labels = ["billing", "delivery", "refund"] as const;

/** What the service answers to one question. */
export async function answerOf(
  { ask }: PlaygroundPage,
  model: string,
  messages: readonly object[],
  like?: string,
): Promise<string> {
  const body = { model, messages, max_tokens: 96, constraint_of: like };
  const { choices } = await ask<{ choices: { message: { content: string } }[] }>("/v1/chat/completions", body);
  return choices[0]!.message.content;
}

/** Specialises a prompt; what is selected then is what became of it. Throws where it was refused. */
export async function specialize(page: Page, name: string, prompt: string): Promise<void> {
  await page.fill("#prompt", prompt);
  await page.fill("#name", name);
  await page.click("#specialize");
  await settled(page, "prompt", "#specialize");
  await page.waitForSelector(`#specialized[data-name="${name}"]`);
}

/** Asks all three, and waits until each was asked alone too. */
export async function askAll(page: Page, input: string): Promise<void> {
  await page.fill("#input", input);
  await page.click("#ask");
  await settled(page, "ask", "#ask");
}

export async function measure(page: Page, lines: readonly string[], threshold = ""): Promise<void> {
  await page.fill("#examples", lines.join("\n"));
  await page.fill("#threshold", threshold);
  await page.fill("#refine", "");
  await page.uncheck("#fallback");
  await page.click("#measure");
  await settled(page, "certificate", "#measure");
  await page.waitForSelector("#certificate");
}

/** Waits until a button can be pressed again. Throws what its panel says went wrong. */
async function settled(page: Page, panel: string, button: string): Promise<void> {
  await page.waitForSelector(`${button}:not(:disabled)`);
  const wrong = await page.locator(`section[aria-labelledby=${panel}-title] .error`).allTextContents();
  if (wrong.length > 0) throw new Error(wrong.join("; "));
}

/** What `count` inputs with answers are as lines; a specialisation that answers `own` is right in all of them. */
export const labelled = (count: number, own: string): string[] =>
  Array.from({ length: count }, (_, i) => `where is my parcel${"?".repeat(i)} => ${own}`);
