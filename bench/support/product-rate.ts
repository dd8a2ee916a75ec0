/** @file The best rate this machine reaches in plain matrix products: what a training step is measured against. */
import { createRng } from "../../src/base/rng.ts";
import { input, matmul, slice } from "../../src/graph/build.ts";
import { compile } from "../../src/runtime/node.ts";
import { floatTensor } from "../../src/runtime/tensor.ts";

/** (m, k)·(k, n): the classic one, the shapes of the two training benchmarks, and square ones. */
const productSizes: readonly (readonly [number, number, number])[] = [
  [512, 2048, 2048],
  [512, 2048, 5632],
  [512, 5632, 2048],
  [2048, 512, 1536],
  [2048, 1536, 512],
  [2048, 512, 4096],
  [1024, 1024, 1024],
  [2048, 2048, 2048],
];

export type ProductRates = AsyncDisposable & {
  /** GFLOP/s of every size, by its name: the fastest of a few runs each. */
  measure(): Promise<Record<string, number>>;
};

const runsPerSize = 3;

/**
 * Compiles one session per size. Only one row of each result leaves the session, so nothing but the product takes time.
 * @param clock milliseconds that have passed
 */
export async function createProductRates(threads: number, clock = () => performance.now()): Promise<ProductRates> {
  const sizes = productSizes;
  const rng = createRng("product rates");
  const pool = (lengths: readonly number[]) => rng.fillUniform(new Float32Array(Math.max(...lengths)), 1);
  const left = pool(sizes.map(([m, k]) => m * k));
  const right = pool(sizes.map(([, k, n]) => k * n));
  const products = await Promise.all(
    sizes.map(async ([m, k, n]) => {
      const y = slice(matmul(input("a", [m, k]), input("b", [k, n])), 0, 0, 1);
      return {
        name: `${m}x${k}x${n}`,
        gigaFlops: (2 * m * k * n) / 1e9,
        session: await compile({ outputs: { y } }, { threads }),
        feeds: { a: floatTensor([m, k], left.subarray(0, m * k)), b: floatTensor([k, n], right.subarray(0, k * n)) },
      };
    }),
  );
  async function measure(): Promise<Record<string, number>> {
    const rates: Record<string, number> = {};
    for (const { name, gigaFlops, session, feeds } of products) {
      let best = 0;
      for (let run = 0; run < runsPerSize; run++) {
        const from = clock();
        await session.run(feeds);
        best = Math.max(best, gigaFlops / ((clock() - from) / 1000));
      }
      rates[name] = best;
    }
    return rates;
  }
  const close = async () => {
    for (const { session } of products) await session.close();
  };
  return { measure, [Symbol.asyncDispose]: close };
}
