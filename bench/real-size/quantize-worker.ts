/** @file A process that quantises a model directory once: `quantize-worker.ts DIRECTORY OUT NAME`, NAME as in `quantizations`; says how long it took and what it held. */
import { quantizeDirectory } from "../../src/models/quantized/directory-file.ts";
import { type QuantizationName, quantizations } from "../../src/models/quantized/layout.ts";
import { watchMemory } from "../support/memory.ts";
import { serve } from "../support/worker.ts";
import { goFirst } from "./memory.ts";

goFirst();
const memory = watchMemory();
const [directory, out, name] = process.argv.slice(2);
const from = performance.now();
const { bytes, bytesBefore } = await quantizeDirectory(directory!, out!, quantizations[name as QuantizationName]);
await serve({ ms: performance.now() - from, bytes, bytesBefore, ...memory() }, {});
