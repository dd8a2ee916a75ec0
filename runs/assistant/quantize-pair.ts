/** @file The default pair with both models quantised, for `eval.ts --pair OUT`: `tsx runs/assistant/quantize-pair.ts OUT --bits 8|4 [--block 32|64|128]`. */
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { quantizeDirectory } from "../../src/models/quantized-file.ts";
import { blockSizeOf } from "../../src/models/quantized-layout.ts";

const text = { type: "string" } as const;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { pair: { ...text, default: "pairs/assistant" }, bits: text, block: { ...text, default: "32" } },
});
const [out] = positionals;
const bits = ([8, 4] as const).find((size) => String(size) === values.bits);
const blockSize = blockSizeOf(values.block);
if (out === undefined || bits === undefined || blockSize === undefined) {
  console.error("Usage: tsx runs/assistant/quantize-pair.ts OUT --bits 8|4 [--block 32|64|128] [--pair DIR]");
  process.exit(1);
}
await mkdir(out, { recursive: true });
for (const part of ["generator", "tokenizer", "pair.json"])
  await cp(join(values.pair, part), join(out, part), { recursive: true });
for (const model of ["cloud", "edge"])
  await quantizeDirectory(join(values.pair, model), join(out, model), { bits, symmetric: true, blockSize });
console.log(`${out}: both models of ${values.pair} in int${bits}, in blocks of ${blockSize}`);
