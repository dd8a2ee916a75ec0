/** @file A page, built for production and served to a headless Chromium. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { build, type PreviewServer, preview } from "vite";

const root = resolve(import.meta.dirname, "../..");

/** Where distributions put Chromium, and Google its Chrome. */
const installed = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
].find(existsSync);

/** A software GPU: SwiftShader, which comes with Chromium. */
const softwareGpu = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"];

/** Why pages cannot be tested here. `.ci/run` does not take that for an answer. */
export const noChromium = installed === undefined ? "Chromium is not installed: no page to test" : undefined;
if (noChromium !== undefined && process.env["LORAGEN_NEEDS_CHROMIUM"] === "1") throw new Error(noChromium);

export type ServedPage = AsyncDisposable & {
  /** A page that was opened, with what it reported as errors so far. */
  open(query?: string): Promise<{ readonly page: Page; readonly errors: readonly string[] }>;
};

export type PageToServe = {
  /** The page's folder in this project. */
  readonly page: string;
  /** The folder of the files it loads. */
  readonly files: string;
  /** Where it is built; anything there is removed. */
  readonly out: string;
};

/** Builds a page as the example is built, serves it and starts the browser. */
export async function servePage({ page, files, out }: PageToServe): Promise<ServedPage> {
  const configFile = join(root, "examples/browser/vite.config.ts");
  const common = { configFile, logLevel: "error", root: join(root, page) } as const;
  await build({ ...common, publicDir: files, build: { outDir: out, emptyOutDir: true } });
  const server = await preview({ ...common, build: { outDir: out }, preview: { port: 0 } });
  const browser = await launchBrowser();
  return {
    open: (query = "") => openPage(browser, `${server.resolvedUrls!.local[0]}${query}`),
    async [Symbol.asyncDispose]() {
      await browser.close();
      await closed(server);
    },
  };
}

export const launchBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: installed!, args: ["--no-sandbox", ...softwareGpu] });

/**
 * A page that was opened, with what it reported as errors so far: what it asked of other addresses too.
 * @param isExpected of which addresses the browser may report that they answered with an error
 */
export async function openPage(browser: Browser, url: string, isExpected: (url: string) => boolean = () => false) {
  const page = await browser.newPage();
  const errors: string[] = [];
  page.setDefaultTimeout(300_000); // only what hangs takes longer
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" && !isExpected(message.location().url)) errors.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(new URL(url).origin) && !/^(data|blob):/.test(request.url()))
      errors.push(`asked for ${request.url()}`);
  });
  await page.goto(url);
  return { page, errors };
}

const closed = (server: PreviewServer): Promise<void> =>
  new Promise((done, fail) => server.httpServer.close((error) => (error === undefined ? done() : fail(error))));
