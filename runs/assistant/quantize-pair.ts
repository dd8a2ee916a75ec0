/** @file The default pair with both models quantised, for `eval.ts --pair OUT`: `tsx runs/assistant/quantize-pair.ts OUT --type int4-64`. */
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { quantizeDirectory } from "../../src/models/quantized-file.ts";
import { quantizationNames, quantizations } from "../../src/models/quantized-layout.ts";

const text = { type: "string" } as const;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { pair: { ...text, default: "pairs/assistant" }, type: text },
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
console.log(`${out}: both models of ${values.pair} as ${type}`);
