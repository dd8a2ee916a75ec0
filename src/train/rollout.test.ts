import { afterAll, expect, test } from "vitest";
import { talkativeModel, smallTokenizer as tokenizer } from "../../test/support/talkative-model.ts";
import { createRng } from "../base/rng.ts";
import { createDecoder } from "../decode/decoder.ts";
import { weight } from "../graph/build.ts";
import { wrapLinear } from "../nn/parts.ts";
import type { WeightSource } from "../runtime/session.ts";
import { floatTensor } from "../runtime/tensor.ts";
import { encodeInput, SPECIAL_TOKEN_LAYOUT } from "../text/prompt.ts";
import { loraAdaptation } from "./lora-step.ts";
import { createPolicy } from "./rollout.ts";
import { stepNames } from "./step.ts";

const model = talkativeModel(1);
const adaptation = loraAdaptation({ edge: model.config, rank: 2, alpha: 4, targets: ["up", "q"] });
const rng = createRng("rollout");
const values = [...adaptation.parameters].map(([name, { shape }]) => {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  return [name, floatTensor(shape, rng.split(name).fillNormal(data, 0.1))] as const;
});
const state = Object.fromEntries(values.map(([name, tensor]) => [stepNames.parameter(name), tensor]));
const questions = ["banana", "a", "naïve café an", "band", "an ananas", "bandana ban", "é"].map((input) => ({
  ids: encodeInput(tokenizer, SPECIAL_TOKEN_LAYOUT, input),
  sample: { input, target: "an" },
}));
const policy = createPolicy(model, adaptation, {}, tokenizer, { threads: 1 });
afterAll(() => policy.close());

test("answers that are sampled together are those that are sampled one by one, and are the same again", async () => {
  const options = { answers: 3, temperature: 0.5, maxTokens: 12, scorer: "exact", rng } as const;
  const together = await policy.sample(state, questions, options);
  expect(together.map(({ length }) => length)).toEqual(questions.map(() => 3));
  expect(new Set(together.flat().map(({ ids }) => ids.length)).size).toBeGreaterThan(2); // rows end at different times
  expect(await policy.sample(state, questions, options)).toEqual(together);
  expect(await policy.sample(state, questions.slice(0, 1), options)).toEqual(together.slice(0, 1));
  const nodes = Object.fromEntries(values.map(([name, { shape }]) => [name, weight(`p/${name}`, shape)]));
  const weights = values.map(([name, { data }]): [string, WeightSource] => [`p/${name}`, { kind: "data", data }]);
  await using decoder = await createDecoder(model, {
    threads: 1,
    change: {
      wrap: (parts) => wrapLinear(parts, adaptation.adapt(nodes)),
      weights: Object.fromEntries(weights),
      feeds: {},
    },
  });
  for (const [place, { ids }] of questions.entries())
    for (let i = 0; i < 3; i++) {
      const alone = { temperature: 0.5, maxTokens: 12, tokenizer, rng: rng.split(`answer-${place}-${i}`) };
      const { ids: said } = await decoder.generate(ids, alone);
      expect(together[place]![i]!.ids.filter((id) => id !== model.config.eosIds[0])).toEqual(said);
    }
});

test("an answer ends with the very token that ended it, where a model has several that do", async () => {
  const second = tokenizer.encode("a")[0]!;
  const config = { ...model.config, eosIds: [...model.config.eosIds, second] };
  const several = createPolicy({ ...model, config }, adaptation, {}, tokenizer, { threads: 1 });
  const options = { answers: 2, temperature: 0.5, maxTokens: 12, scorer: "exact", rng } as const;
  const ends = (await several.sample(state, questions, options)).flat().map(({ ids }) => ids.at(-1)!);
  await several.close();
  expect(ends).toContain(second);
});

test("what cannot be read fails for all, and the next question is answered", async () => {
  const options = { answers: 1, temperature: 0, maxTokens: 4, scorer: "exact", rng } as const;
  const strange = { ids: [model.config.vocab], sample: { input: "", target: "" } };
  await expect(policy.sample(state, [...questions, strange], options)).rejects.toMatchObject({ code: "E_LIMIT" });
  expect(await policy.sample(state, questions, options)).toHaveLength(questions.length);
});

test("programs are run one after the other, and passing is what is rewarded", async () => {
  let running = 0;
  const programs: string[] = [];
  const runCode = async (program: string) => {
    expect(++running).toBe(1);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    programs.push(program);
    return { passed: programs.length % 2 === 1, reason: "" };
  };
  const rewarding = createPolicy(model, adaptation, {}, tokenizer, { threads: 1, runCode });
  const options = { answers: 2, temperature: 0.5, maxTokens: 4, scorer: "code-run", rng } as const;
  const rewards = (await rewarding.sample(state, questions, options)).flat().map(({ reward }) => reward);
  await rewarding.close();
  expect(programs).toHaveLength(2 * questions.length);
  expect(programs.every((program) => program.endsWith("\nan\n"))).toBe(true);
  expect(rewards.filter((reward) => reward === 1)).toHaveLength(questions.length);
  await expect(policy.sample(state, questions, options)).rejects.toMatchObject({ code: "E_USAGE" });
});
