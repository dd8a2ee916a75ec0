import { expect, test } from "vitest";
import { add, input, matmulNBits, weight } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";
import { compile } from "./node.ts";
import { floatTensor } from "./tensor.ts";

test("a bias is added to a quantised product, packed anew or not, within one operator or behind it", async () => {
  const [n, k] = [4, 32];
  const codes = [weight("packed", [n, 1, k], "u8"), weight("scales", [n])];
  const product = matmulNBits([input("x", ["batch", k]), ...codes], { n, k, bits: 8, blockSize: 32 });
  const y = add(product, weight("bias", [n]));
  const weights = {
    packed: { kind: "data", data: new Uint8Array(n * k).map((_, i) => 120 + (i % 16)) },
    scales: { kind: "data", data: new Float32Array(n).fill(0.5) },
    bias: { kind: "data", data: new Float32Array([100, 200, 300, 400]) },
  } as const;
  const x = floatTensor([2, k], new Float32Array(2 * k).fill(1));
  const sums = [92, 192, 292, 392]; // 16 codes from −8 to 7 twice over: −16 · ½
  for (const prepack of [true, false])
    for (const outputs of [{ y }, { y, product }] as Record<string, Node>[]) {
      await using session = await compile({ outputs }, { weights, prepack, threads: 1 });
      expect([...((await session.run({ x })).y!.data as Float32Array)]).toEqual([...sums, ...sums]);
    }
});
