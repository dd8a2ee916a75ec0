/** @file A process that opens a model, decodes one token and prints the bytes it needed for that at most: `open-memory.ts DIRECTORY`. */
import { createCachedModel } from "../../src/decode/cached-model.ts";
import { openModel } from "../../src/models/model-file.ts";
import { peakResidentBytes } from "./peak-resident.ts";

const before = process.memoryUsage.rss();
const model = await openModel(process.argv[2]!);
await using cached = await createCachedModel(model, { threads: 1, capacity: 8 });
const logits = await cached.feed([1]);
const grown = peakResidentBytes() - before;
process.stdout.write(`${JSON.stringify({ grown, parameters: model.parameterCount, logit: logits[0] })}\n`);
