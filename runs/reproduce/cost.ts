/**
 * @file A process that takes some steps of a training, or reads some questions, and prints what they cost as JSON: `cost.ts TASK`, a task as
 * JSON. Memory of a process is its peak: each needs a process of its own.
 */
import { mkdir } from "node:fs/promises";
import { graphProducts } from "../../bench/support/flops.ts";
import { peakResidentMb } from "../../bench/support/memory.ts";
import { readJsonFile } from "../../src/base/json-file.ts";
import { createRng } from "../../src/base/rng.ts";
import { createDecoder } from "../../src/decode/decoder.ts";
import { quantile } from "../../src/eval/statistics.ts";
import { modelSubject, pairSubject } from "../../src/eval/subject.ts";
import { readingFlops } from "../../src/methods/flops.ts";
import { parseMethods } from "../../src/methods/table.ts";
import { loadPair } from "../../src/pair/pair-file.ts";
import { TEXT_LAYOUT } from "../../src/text/prompt.ts";
import { openRun, TrainConfig } from "../../src/train/recipes/table.ts";
import { buildStep } from "../../src/train/step.ts";
import { createTrainer } from "../../src/train/trainer.ts";
import { type CostSeen, CostTask } from "./cost-task.ts";

type Cost = Omit<CostSeen, "peakMb">;
type Way = CostTask["way"];

const nothing = { seconds: 0, bytes: 0, examples: 0 } as const;

/** Median milliseconds, after one that is not counted. */
async function timed(repeats: number, work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let i = -1; i < repeats; i++) {
    const from = performance.now();
    await work();
    if (i >= 0) times.push(performance.now() - from);
  }
  return quantile(
    times.sort((a, b) => a - b),
    0.5,
  );
}

const ways: { readonly [W in Way]: (task: Extract<CostTask, { way: W }>) => Promise<Cost> } = {
  /** Leaves the result of the last step in the run's folder, for a process that reads by it. */
  async training({ config: path, repeats }) {
    const config = await readJsonFile(path, TrainConfig, { code: "E_CONFIG" });
    const job = await openRun(config, async (name) => name);
    const { spec, weights, prepack } = job;
    const state = await job.start();
    await using trainer = await createTrainer(spec, { state, weights, ...(prepack === undefined ? {} : { prepack }) });
    const feeds = await job.batch({ rng: createRng("cost"), step: 1, index: 0, state });
    const ms = await timed(repeats, () => trainer.step([feeds], 1e-4));
    await mkdir(config.output, { recursive: true });
    await job.save(trainer.state());
    await job.close?.();
    return {
      gigaFlops: graphProducts(buildStep(spec), { ...state, ...feeds }),
      ms,
      made: nothing,
      trained: [...spec.parameters.values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0),
    };
  },
  async inference({ model: path, isPair, method: name, prompt, examples, tokens: length, kept, questions, repeats }) {
    const subject = isPair ? pairSubject(await loadPair(path)) : { ...(await modelSubject(path)), layout: TEXT_LAYOUT };
    const [method] = parseMethods([name]);
    const labelled = Array.from({ length: examples }, (_, i) => ({ input: `question ${i}`, target: "a" }));
    const task = { name: "cost", stratum: "cost", kind: "cost", systemPrompt: prompt, examples: labelled };
    const prepared = await method!.prepare(subject, task);
    const { model, change, prefix } = prepared;
    await using decoder = await createDecoder(model, {
      ...(change === undefined ? {} : { change }),
      ...(prefix === undefined ? {} : { prefix }),
    });
    const rng = createRng("tokens of a question");
    const drawn = (length: number): number[] => Array.from({ length }, () => rng.int(model.config.vocab));
    const before = drawn(kept);
    const ms = await timed(repeats, async () => {
      for (let i = 0; i < questions; i++)
        await decoder.score([...before, ...drawn(length)], [[0]], { reusePrefix: kept > 0 });
    });
    await prepared.close?.();
    const counted = kept > 0 ? { ...prepared, prefix: { positions: kept } } : prepared;
    const { seconds, bytes, examples: read } = prepared.cost;
    return {
      gigaFlops: (questions * readingFlops(counted, length)) / 1e9,
      ms,
      trained: 0,
      made: { seconds, bytes, examples: read },
    };
  },
};

const task = CostTask.parse(JSON.parse(process.argv[2]!));
const cost = await (ways[task.way] as (task: CostTask) => Promise<Cost>)(task);
const peakMb = peakResidentMb() ?? (process.resourceUsage().maxRSS * 1024) / 1e6;
process.stdout.write(JSON.stringify({ ...cost, peakMb } satisfies CostSeen));
