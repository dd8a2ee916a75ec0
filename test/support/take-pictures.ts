/** @file `npm run pictures`: makes the pictures of the page in `docs` anew, of the pair that ships and a prompt of its demo. Takes Chromium. */
import { join } from "node:path";
import { demoFileOf, readDemoScenarios } from "../../src/cli/demo-scenarios.ts";
import { loadPair } from "../../src/pair/pair-file.ts";
import { noChromium } from "./browser-page.ts";
import { root } from "./loragen.ts";
import { servePlayground } from "./playground-page.ts";
import { takePictures } from "./playground-pictures.ts";

/** Messages beside the demo's: a verdict takes 20. */
const more = [
  ["battery", "the bar is red and we still have an hour to ride", "it died after ten minutes although it said full"],
  [
    "brakes",
    "it hardly slows down when i squeeze",
    "the back wheel rubs and squeaks when i stop",
    "i cannot stop on wet roads",
  ],
  ["payment", "where is my refund for the cancelled ride", "can i get an invoice for march"],
  [
    "lost_bike",
    "somebody took it while i was in the shop",
    "i came back and there was no bike",
    "it is not where i left it",
  ],
  ["app_login", "i never get the code by text message", "it says that this account does not exist"],
  [
    "parking",
    "am i allowed to leave it at the station",
    "there was no free stand so i left it on the pavement",
    "where do i put it when i am done",
  ],
].flatMap(([expected, ...inputs]) => inputs.map((input) => ({ input, expected: expected! })));

if (noChromium !== undefined) throw new Error(noChromium);
const directory = join(root, "pairs/smollm2");
const [{ name, prompt, samples }] = (await readDemoScenarios(demoFileOf(directory))) as [Scenario];
await using playground = await servePlayground(await loadPair(directory), { secret: new Uint8Array(32).fill(1) });
await takePictures(
  playground,
  {
    name,
    prompt,
    changed: prompt.replace("app_login, parking", "app_login, parking, praise"),
    examples: [...samples, ...more],
  },
  (picture) => join(root, `docs/playground-${picture}.png`),
);

type Scenario = Awaited<ReturnType<typeof readDemoScenarios>>[number];
