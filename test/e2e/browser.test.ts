/** @file The example page in headless Chromium: every specialisation answers there as it does in Node. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAnswerer } from "../../src/pair/answer.ts";
import { loadPair, type Pair } from "../../src/pair/pair-file.ts";
import { readSpecialization } from "../../src/pair/specialization-file.ts";
import { noChromium, type ServedPage, servePage } from "../support/browser-page.ts";
import { root } from "../support/loragen.ts";
import { writeTinyPair } from "../support/tiny-pair.ts";

const texts = ["how long do i have to boil new potatoes", "Größe: 7½ — 東京", "a"];
const taskNames = ["bikes", "orders", "greenhouse", "forum"];

let folder: string;
let pair: Pair;
let served: ServedPage | undefined;
beforeAll(async () => {
  if (noChromium !== undefined) return;
  folder = await mkdtemp(join(tmpdir(), "loragen-browser-"));
  const pairFolder = join(folder, "pair");
  await writeTinyPair(pairFolder);
  pair = await loadPair(pairFolder);
  const prepare = join(root, "examples/browser/prepare.ts");
  const args = ["--import", "tsx", prepare, pairFolder, join(folder, "public")];
  await promisify(execFile)(process.execPath, args, { cwd: root });
  served = await servePage({ page: "examples/browser", files: join(folder, "public"), out: join(folder, "dist") });
});
afterAll(async () => {
  await served?.[Symbol.asyncDispose]();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

/** What Node answers with a task's specialisation, for each input. */
async function nodeIds(task: string, inputs: readonly string[], maxTokens: number): Promise<number[][]> {
  const specialization = await readSpecialization(join(folder, "public/tasks", task), pair);
  await using answerer = await createAnswerer(pair, { specialization, threads: 1 });
  const all: number[][] = [];
  for (const input of inputs) all.push((await answerer.answer(input, { maxTokens })).ids);
  return all;
}

/** Waits for an element, or for the page to say what went wrong. */
async function appears(page: Page, selector: string): Promise<void> {
  const failed = page.locator("#status.error");
  await page.locator(selector).or(failed).first().waitFor();
  expect(await failed.allTextContents()).toEqual([]);
}

const isReady = (page: Page, task: string) => appears(page, `body[data-task=${task}] #answer:enabled`);

async function pageIds(page: Page, inputs: readonly string[], maxTokens: number): Promise<number[][]> {
  await page.fill("#limit", String(maxTokens));
  const all: number[][] = [];
  for (const input of inputs) {
    await page.fill("#input", input);
    await page.click("#answer:enabled");
    await appears(page, "#output[data-ids]"); // gone as soon as another answer was asked for
    const ids = (await page.getAttribute("#output", "data-ids"))!;
    all.push(ids.split(" ").filter(Boolean).map(Number));
  }
  return all;
}

/** A GPU made of software takes a while per token. */
const devices = [
  { device: "wasm", name: "WebAssembly", tasks: taskNames, inputs: texts, maxTokens: 64 },
  { device: "webgpu", name: "WebGPU", tasks: ["orders"], inputs: texts.slice(1), maxTokens: 4 },
] as const;

test.for(devices)("on $name specialisations write the ids that they write in Node", async (run, { skip }) => {
  const { device, name, tasks, inputs, maxTokens } = run;
  if (served === undefined) return skip(noChromium!);
  const { page, errors } = await served.open(`?device=${device}`);
  const hasGpu = await page.evaluate("navigator.gpu?.requestAdapter().then((adapter) => adapter !== null) ?? false");
  if (device === "webgpu" && hasGpu !== true) return skip("this Chromium offers no WebGPU adapter");
  await isReady(page, "bikes");
  for (const task of tasks) {
    await page.check(`input[value=${task}]`);
    await isReady(page, task);
    expect(await pageIds(page, inputs, maxTokens)).toEqual(await nodeIds(task, inputs, maxTokens));
    expect(Number.parseFloat((await page.textContent("#speed"))!)).toBeGreaterThan(0);
  }
  expect(await page.textContent("#used")).toBe(name);
  expect(errors).toEqual([]);
  await page.close();
});
