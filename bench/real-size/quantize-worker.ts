/** @file A process that quantises a model directory once: `quantize-worker.ts DIRECTORY OUT 8|4 32|64|128`; says how long it took and what it held. */
import { quantizeDirectory } from "../../src/models/quantized-file.ts";
import { blockSizeOf, blockSizes } from "../../src/models/quantized-layout.ts";
import { watchMemory } from "../support/memory.ts";
import { serve } from "../support/worker.ts";
import { goFirst } from "./memory.ts";

goFirst();
const memory = watchMemory();
const [directory, out, bits, block] = process.argv.slice(2);
const blockSize = blockSizeOf(block);
if (blockSize === undefined) throw new Error(`blocks: expected one of ${blockSizes}, found ${block}`);
const from = performance.now();
const { bytes, bytesBefore } = await quantizeDirectory(directory!, out!, {
  bits: bits === "4" ? 4 : 8,
  symmetric: true,
  blockSize,
});
await serve({ ms: performance.now() - from, bytes, bytesBefore, ...memory() }, {});
