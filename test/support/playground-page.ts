/** @file The page that the service shows, over a pair, in headless Chromium; and the picture of it that the docs have. */
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { build } from "vite";
import type { DemoScenario } from "../../src/cli/demo-scenarios.ts";
import type { Pair } from "../../src/pair/pair-file.ts";
import { readPlayground } from "../../src/server/playground-file.ts";
import { listenOn } from "../../src/server/serve.ts";
import { createService, type ServiceOptions } from "../../src/server/service.ts";
import { openStore } from "../../src/server/store/store.ts";
import { launchBrowser } from "./browser-page.ts";
import { root } from "./loragen.ts";

export type PlaygroundPage = AsyncDisposable & { readonly url: string; readonly browser: Browser };

/** @param folder for the built page and the store */
export async function servePlayground(
  pair: Pair,
  folder: string,
  options: ServiceOptions = {},
): Promise<PlaygroundPage> {
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
    async [Symbol.asyncDispose]() {
      await browser.close();
      await close();
      await service.close();
    },
  };
}

/** Fills an opened page with a scenario: its prompt specialised, one input asked of all three, the others measured. Then takes a picture of it. */
export async function takePicture(page: Page, { name, prompt, samples }: DemoScenario, path: string): Promise<void> {
  await page.setViewportSize({ width: 1100, height: 800 });
  await page.fill("#prompt", prompt);
  await page.fill("#name", name);
  await page.click("#specialize");
  await page.waitForSelector(`#specialized[data-name="${name}"]`);
  await page.fill("#input", samples[0]!.input);
  await page.click("#ask");
  await page.waitForSelector("#costs");
  await page.fill("#examples", samples.map(({ input, expected }) => `${input} => ${expected}`).join("\n"));
  await page.click("#measure");
  await page.waitForSelector("#certificate");
  await page.screenshot({ path, fullPage: true });
}
