/** @file `constraint`: what keeping to labels or a JSON schema costs a token, as a share of answering, within the same answers. */
import { compileConstraint } from "../src/constraint/compile.ts";
import { type ConstraintSpec, labelsSpec, schemaSpec } from "../src/constraint/spec.ts";
import { type Constraint, createMask } from "../src/decode/constraint.ts";
import { createDecoder } from "../src/decode/decoder.ts";
import type { Pair } from "../src/pair/pair-file.ts";
import { encodeInput } from "../src/text/prompt.ts";
import {
  atMost,
  type Bench,
  type BenchOptions,
  type BenchResult,
  joined,
  medians,
  pairedRatio,
} from "./support/bench.ts";
import { benchPair } from "./support/bench-pair.ts";

const limit = 0.05;
const inputs = ["where is my parcel? it went to Rome", "I want my 30 dollars back", "the app crashes when I log in"];

const constraints: Readonly<Record<string, ConstraintSpec>> = {
  "100 labels": labelsSpec(Array.from({ length: 100 }, (_, i) => `label number ${((i * 7919) % 10_007).toString(36)}`)),
  schema: schemaSpec({
    type: "object",
    properties: {
      intent: { enum: ["billing", "delivery", "refund", "technical_problem"] },
      summary: { type: "string", maxLength: 60 },
      items: { type: "array", items: { type: "string", maxLength: 20 }, maxItems: 3 },
      amount: { type: "integer", minimum: 0, maximum: 5000 },
    },
    required: ["intent", "summary", "amount"],
  }),
};

/** Processor time in milliseconds: what other programs take from the clock is left out. */
const processorMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

export const constraint: Bench = {
  run: async (options) => {
    const pair = await benchPair(options);
    const results: BenchResult[] = [];
    for (const [name, spec] of Object.entries(constraints)) results.push(await measure(pair, name, spec, options));
    const { raw, ...rest } = joined(results);
    return { ...rest, configuration: { pair: pair.name, vocab: pair.edge.config.vocab, ...rest.configuration }, raw };
  },
};

/** One thread, so that both shares are of the same processor; the first round finds the states anew. */
async function measure(pair: Pair, name: string, spec: ConstraintSpec, options: BenchOptions): Promise<BenchResult> {
  const { tokenizer, layout, edge } = pair;
  const { vocab, eosIds } = edge.config;
  await using decoder = await createDecoder(edge, { threads: 1 });
  const { next, stopIds } = compileConstraint(tokenizer, layout, spec);
  const mask = createMask(vocab);
  const logits = new Float32Array(vocab);
  let spent = 0;
  let tokens = 0;
  const watched: Constraint = (soFar) => {
    const from = processorMs();
    const allowed = next(soFar);
    if (allowed.length > 1) mask(logits, allowed); // as decoding does once more
    spent += processorMs() - from;
    return allowed;
  };
  const raw = { constraint: [] as number[], answers: [] as number[] };
  for (let round = 0; round < (options.quick ? 2 : Math.max(5, options.repetitions)); round++) {
    spent = 0;
    const from = processorMs();
    for (const input of inputs) {
      const ids = encodeInput(tokenizer, layout, input);
      const answer = { constraint: watched, stopIds: [...eosIds, ...stopIds], maxTokens: 120, reusePrefix: false };
      tokens += (await decoder.generate(ids, answer)).outputTokens;
    }
    raw.answers.push(processorMs() - from);
    raw.constraint.push(spent);
  }
  const ratio = pairedRatio(raw.constraint, raw.answers);
  const named = { [`${name}: constraint ms`]: raw.constraint, [`${name}: answers ms`]: raw.answers };
  return {
    configuration: { [`${name}: tokens`]: tokens },
    raw: named,
    medians: medians(named),
    ratios: { [`${name}: constraint / answers`]: ratio },
    checks: [atMost(`constraint / answers, ${name}`, ratio, limit)],
  };
}
