/** @file Models of every architecture, quantised: the folder that is written is the model that is quantised while it is read. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openReferenceModel, referenceModels } from "../../test/support/reference-model.ts";
import { architectures } from "../models/architectures/index.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import { openModel } from "../models/model-file.ts";
import { quantizeDirectory } from "../models/quantized/directory-file.ts";
import { quantizations } from "../models/quantized/layout.ts";
import { createCachedModel } from "./cached-model.ts";

const folder = mkdtempSync(join(tmpdir(), "quantised-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function logitsOf(model: FrozenModel, ids: readonly number[]): Promise<Float32Array> {
  await using cached = await createCachedModel(model, { threads: 1 });
  return (await cached.feedAll(ids)).slice();
}

const largest = (values: Float32Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

test.each(Object.keys(architectures))("%s in int8: written and read again, and near its own logits", async (name) => {
  const { model, tokens } = await openReferenceModel(name); // the reference of that very name
  const ids = tokens.slice(0, 40);
  const out = join(folder, name);
  await quantizeDirectory(join(referenceModels, name), out, quantizations.int8);
  const quantised = await logitsOf(await openModel(out), ids);
  expect(quantised).toEqual(
    await logitsOf(await openModel(join(referenceModels, name), { quantize: quantizations.int8 }), ids),
  );
  const wanted = await logitsOf(model, ids);
  const gap = largest(quantised.map((value, i) => value - wanted[i]!));
  expect(gap).toBeGreaterThan(0);
  expect(gap / largest(wanted)).toBeLessThan(0.1);
});
