import { expect, test } from "vitest";
import { cachedAttention, input } from "../graph/build.ts";
import type { Graph } from "../graph/types.ts";
import { requireExact } from "./device-limits.ts";
import { compile } from "./node.ts";

function attention(cap: number): Graph {
  const row = (name: string) => input(name, [1, "time", 8]);
  const past = ["pastK", "pastV"].map((name) => input(name, [1, 1, "room", 8]));
  const counts = [input("last", [1], "i64"), input("total", [], "i64")];
  const params = { heads: 1, kvHeads: 1, scale: 1, window: 0, cap };
  return { outputs: { y: cachedAttention([row("q"), row("k"), row("v"), ...past, ...counts], params).output } };
}

test("attention with a soft cap is refused on WebGPU, which would leave the cap out", async () => {
  const refusal = { code: "E_RUNTIME", message: expect.stringContaining("soft cap") as unknown };
  await expect(compile(attention(5), { device: "webgpu" })).rejects.toMatchObject(refusal);
  expect(() => requireExact(attention(0), "webgpu")).not.toThrow();
  await using _ = await compile(attention(5), { threads: 1 });
});
