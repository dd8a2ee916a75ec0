/**
 * @file The pair with both models quantised, for `loragen eval --pair OUT`: `tsx runs/assistant/quantize-pair.ts OUT --type int4-64`.
 * Says how far the codes of the layers are from their weights.
 */
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openModel } from "../../src/models/model-file.ts";
import { embeddingName, headName } from "../../src/models/parameters.ts";
import { dequantizeWeight } from "../../src/models/quantized/dequantize.ts";
import { quantizeDirectory } from "../../src/models/quantized/directory-file.ts";
import { quantizationNames, quantizations, storedWeights } from "../../src/models/quantized/layout.ts";
import { readWeight } from "../../src/runtime/read-weight.ts";

const text = { type: "string" } as const;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { pair: { ...text, default: "work/assistant/pair" }, type: text },
});
const [out] = positionals;
const type = quantizationNames.find((name) => name === values.type);
if (out === undefined || type === undefined) {
  console.error(`Usage: tsx runs/assistant/quantize-pair.ts OUT --type ${quantizationNames.join("|")} [--pair DIR]`);
  process.exit(1);
}
await mkdir(out, { recursive: true });
for (const part of ["generator", "tokenizer", "pair.json"])
  await cp(join(values.pair, part), join(out, part), { recursive: true });
for (const model of ["cloud", "edge"])
  await quantizeDirectory(join(values.pair, model), join(out, model), quantizations[type]);
for (const model of ["cloud", "edge"]) {
  const percent = 100 * (await squaredError(join(values.pair, model), join(out, model)));
  console.log(`${model}: squared error of the layers, over that of zeros: ${percent.toPrecision(3)} %`);
}
console.log(`${out}: both models of ${values.pair} as ${type}`);

/** Σ (code's value − w)² / Σ w² over the linear maps of all layers. */
async function squaredError(directory: string, quantized: string): Promise<number> {
  const [plain, coded] = [await openModel(directory), await openModel(quantized)];
  const tables: string[] = [`${embeddingName(plain.config)}.weight`, `${headName}.weight`];
  let [error, whole] = [0, 0];
  for (const weight of storedWeights(coded.config, coded.quantization!)) {
    if (weight.layout === undefined || tables.includes(weight.name)) continue;
    const found = await dequantizeWeight(weight, coded.weights);
    const wanted = await readWeight(plain.weights[weight.name]!);
    for (let i = 0; i < found.length; i++) {
      error += (found[i]! - wanted[i]!) ** 2;
      whole += wanted[i]! ** 2;
    }
  }
  return error / whole;
}
