/** @file Sessions for the browser, as far as they can be had in Node: on WebAssembly. The rest is tested in Chromium. */
import { expect, test } from "vitest";
import { createRng } from "../base/rng.ts";
import { add, gather, input, matmul, neg, weight } from "../graph/build.ts";
import type * as nodeRuntime from "./node.ts";
import { compile } from "./node.ts";
import type { WeightSource } from "./session.ts";
import { floats, floatTensor, intTensor, zeros } from "./tensor.ts";
import * as web from "./web.ts";

const graph = { outputs: { y: add(input("x", [2]), weight("w", [2])) } };

test("it offers what the runtime of Node offers", () => {
  const same: typeof nodeRuntime = web; // checked by the compiler
  expect(Object.keys(same)).toEqual(expect.arrayContaining(["compile", "readWeight"]));
});

test("results on WebAssembly are those of Node, in given memory and in new", async () => {
  const x = input("x", ["rows", 600]);
  const product = matmul(x, weight("large", [600, 500])); // larger than what travels inside a model
  const outputs = { product, sum: add(product, weight("small", [500])), minus: neg(x) };
  const random = createRng(1);
  const values = (size: number) => random.fillNormal(new Float32Array(size), 1);
  const weights = {
    large: { kind: "data", data: values(600 * 500) },
    small: { kind: "data", data: values(500) },
  } as const;
  await using wasm = await web.compile({ outputs }, { weights });
  await using node = await compile({ outputs }, { weights, threads: 1 });
  expect([wasm.outputNames, wasm.keepsState]).toEqual([node.outputNames, false]);
  for (const rows of [1, 3]) {
    const fed = { x: floatTensor([rows, 600], values(rows * 600)) };
    const minus = zeros("f32", [rows, 600]);
    const [found, wanted] = [await wasm.run(fed, { minus }), await node.run(fed)];
    expect(found["minus"]).toBe(minus);
    expect([...minus.data]).toEqual([...floats(wanted["minus"])]);
    for (const name of ["product", "sum"]) {
      expect(found[name]!.shape).toEqual([rows, 500]);
      const gaps = floats(found[name]).map((value, i) => Math.abs(value - floats(wanted[name])[i]!));
      expect(Math.max(...gaps)).toBeLessThan(1e-3);
    }
  }
});

test("what ONNX Runtime refuses on WebAssembly is an E_RUNTIME error, and the session goes on", async () => {
  const rows = gather(input("table", [2, 3]), input("at", [1], "i64"));
  const session = await web.compile({ outputs: { rows } });
  const table = floatTensor([2, 3], [1, 2, 3, 4, 5, 6]);
  await expect(session.run({ table, at: intTensor([1], [7]) })).rejects.toMatchObject({ code: "E_RUNTIME" });
  await expect(session.run({ table })).rejects.toMatchObject({ code: "E_SHAPE" });
  expect((await session.run({ table, at: intTensor([1], [1]) }))["rows"]).toEqual(floatTensor([1, 3], [4, 5, 6]));
  await session.close();
  await session.close();
  await expect(session.run({ table })).rejects.toThrow("closed");
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
