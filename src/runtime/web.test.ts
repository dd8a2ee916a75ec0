/** @file Sessions for the browser, as far as they can be had without one; the rest is tested in Chromium. */
import { expect, test } from "vitest";
import { add, input, weight } from "../graph/build.ts";
import type * as nodeRuntime from "./node.ts";
import type { WeightSource } from "./session.ts";
import * as web from "./web.ts";

const graph = { outputs: { y: add(input("x", [2]), weight("w", [2])) } };

test("it offers what the runtime of Node offers", () => {
  const same: typeof nodeRuntime = web; // checked by the compiler
  expect(Object.keys(same)).toEqual(expect.arrayContaining(["compile", "readWeight"]));
});

test("devices of Node are refused", async () => {
  for (const device of ["cpu", "cuda"] as const)
    await expect(web.compile(graph, { device })).rejects.toMatchObject({
      code: "E_RUNTIME",
      message: expect.stringContaining("expected wasm or webgpu"),
    });
});

test("weights must be in memory, all of them, and of their size", async () => {
  const weights = (w: WeightSource | undefined) => ({ weights: w === undefined ? {} : { w } });
  const file = { kind: "file", path: "model.safetensors", offset: 0, bytes: 8 } as const;
  await expect(web.compile(graph, weights(undefined))).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  await expect(web.compile(graph, weights(file))).rejects.toMatchObject({ code: "E_RUNTIME" });
  const short = { kind: "data", data: new Float32Array(1) } as const;
  await expect(web.compile(graph, weights(short))).rejects.toMatchObject({ code: "E_SHAPE" });
});

test("without a GPU the best device is WebAssembly", async () => {
  expect(await web.bestDevice()).toBe("wasm");
});
