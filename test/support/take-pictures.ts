/** @file `npm run picture`: makes `docs/playground.png` anew, of the pair that ships and the first prompt of its demo. Takes Chromium. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { demoFileOf, readDemoScenarios } from "../../src/cli/demo-scenarios.ts";
import { loadPair } from "../../src/pair/pair-file.ts";
import { noChromium, openPage } from "./browser-page.ts";
import { root } from "./loragen.ts";
import { servePlayground, takePicture } from "./playground-page.ts";

if (noChromium !== undefined) throw new Error(noChromium);
const directory = join(root, "pairs/smollm2");
const [scenario] = await readDemoScenarios(demoFileOf(directory));
const folder = await mkdtemp(join(tmpdir(), "loragen-picture-"));
try {
  await using playground = await servePlayground(await loadPair(directory), folder);
  const { page, errors } = await openPage(playground.browser, playground.url);
  await takePicture(page, scenario!, join(root, "docs/playground.png"));
  if (errors.length > 0) throw new Error(`the page reported: ${errors.join("; ")}`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
