/** @file `browser`: the edge model in a headless Chromium on WebAssembly, beside the same model in Node. */
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AppError } from "../src/base/errors.ts";
import { createDecoder } from "../src/decode/decoder.ts";
import { createAnswerer } from "../src/pair/answer.ts";
import { loadPair } from "../src/pair/pair-file.ts";
import { readSpecialization } from "../src/pair/specialization-file.ts";
import { noChromium, servePage } from "../test/support/browser-page.ts";
import { type Bench, interleave, medians, pairedRatio, timed } from "./support/bench.ts";
import { shippedPair } from "./support/bench-pair.ts";
import { projectRoot } from "./support/machine.ts";

const sizes = { prompt: 64, written: 128 };
const quickSizes = { prompt: 8, written: 4 };
const swapped = ["bikes", "orders"];

type Speed = { readonly prefill: number; readonly decode: number };

export const browser: Bench = {
  async run(options) {
    if (noChromium !== undefined) throw new AppError("E_NOT_FOUND", noChromium);
    const folder = await mkdtemp(join(tmpdir(), "loragen-bench-browser-"));
    try {
      const directory = options.pair ?? shippedPair;
      const files = join(folder, "public");
      const prepare = join(projectRoot, "examples/browser/prepare.ts");
      execFileSync(process.execPath, ["--import", "tsx", prepare, directory, files], { cwd: projectRoot });
      await using served = await servePage({ page: "bench/browser-page", files, out: join(folder, "dist") });
      const { page } = await served.open();
      await page.waitForFunction("globalThis.measure !== undefined");
      const inPage = <T>(call: string) => page.evaluate(`measure.${call}`) as Promise<T>;
      const load = await inPage<{ files: number; session: number }>(
        `load(new URL("pair", location.href).href, "wasm")`,
      );

      const pair = await loadPair(directory);
      const { prompt, written } = options.quick ? quickSizes : sizes;
      const ids = Array.from({ length: prompt }, (_, i) => (i * 37 + 300) % pair.edge.config.vocab);
      await using decoder = await createDecoder(pair.edge, { threads: options.threads });
      const inNode = async (): Promise<Speed> => {
        const { ms } = await decoder.generate(ids, { maxTokens: written, stopIds: [], reusePrefix: false });
        return { prefill: (ids.length / ms.prefill) * 1000, decode: (written / ms.decode) * 1000 };
      };
      const speeds = await interleave(
        { node: inNode, page: () => inPage<Speed>(`decode(${JSON.stringify(ids)}, ${written})`) },
        options,
      );
      const swaps = await interleave(
        Object.fromEntries(
          swapped.flatMap((task) => {
            const path = join(files, "tasks", task);
            const text = () => readFile(join(path, "specialization.json"), "utf8");
            return [
              [`page ${task}`, async () => inPage<number>(`swap(${JSON.stringify(await text())}, "wasm")`)],
              [
                `node ${task}`,
                async () => {
                  const specialization = await readSpecialization(path, pair);
                  return timed(async () => (await createAnswerer(pair, { specialization })).close());
                },
              ],
            ];
          }),
        ) as Record<string, () => Promise<number>>,
        options,
      );
      const of = (side: "node" | "page", what: keyof Speed) => speeds[side].map((speed) => speed[what]);
      const both = (side: string) => swapped.flatMap((task) => swaps[`${side} ${task}`]!);
      const raw = {
        "node decode tokens/s": of("node", "decode"),
        "page decode tokens/s": of("page", "decode"),
        "node prefill tokens/s": of("node", "prefill"),
        "page prefill tokens/s": of("page", "prefill"),
        "node swap ms": both("node"),
        "page swap ms": both("page"),
        "page load files ms": [load.files],
        "page first session ms": [load.session],
      };
      const threads = await page.evaluate("crossOriginIsolated ? navigator.hardwareConcurrency : 1");
      return {
        configuration: { pair: pair.name, device: "wasm", pageThreads: threads, promptTokens: prompt, written },
        raw,
        medians: medians(raw),
        ratios: {
          "decode: page / node": pairedRatio(raw["page decode tokens/s"], raw["node decode tokens/s"]),
          "prefill: page / node": pairedRatio(raw["page prefill tokens/s"], raw["node prefill tokens/s"]),
        },
        checks: [],
      };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};
