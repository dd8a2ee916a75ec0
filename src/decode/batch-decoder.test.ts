import { expect, test } from "vitest";
import { nearModels } from "../../test/support/near-models.ts";
import { randomLlama } from "../../test/support/random-llama.ts";
import { createRng } from "../base/rng.ts";
import { createBatchDecoder } from "./batch-decoder.ts";
import { createDecoder } from "./decoder.ts";

test.each([["all positions", {}] as const, ...nearModels])(
  "many prompts at once are answered as one by one, behind what they begin with or not: %s",
  async (_, changes) => {
    const model = randomLlama({ seed: 3, tied: false, ...changes, context: 200 });
    await using many = await createBatchDecoder(model, { threads: 1 });
    await using decoder = await createDecoder(model, { threads: 1 });
    const rng = createRng("prompts");
    const ids = (length: number) => Array.from({ length }, () => rng.int(50));
    const beginning = ids(30);
    const prompts = Array.from({ length: 40 }, () => [...beginning, ...ids(1 + rng.int(40))]);
    const options = (i: number) => ({ maxTokens: i % 9 });
    const wanted = [];
    for (const [i, prompt] of prompts.entries()) wanted.push((await decoder.generate(prompt, options(i))).ids);
    const saved = await many.read(beginning);
    for (const held of [undefined, () => saved]) {
      const found = prompts.map((prompt, i) => many.generate(prompt, { ...options(i), held }));
      expect((await Promise.all(found)).map((answer) => answer.ids)).toEqual(wanted);
    }
    await expect(many.generate(ids(201))).rejects.toMatchObject({ code: "E_LIMIT" });
    await expect(many.generate([])).rejects.toMatchObject({ code: "E_PROMPT" });
    const aborted = await many.generate(prompts[0]!, { signal: AbortSignal.abort() });
    expect([aborted.finish, aborted.ids]).toEqual(["aborted", []]);
  },
);

test("what goes wrong as a prompt's turn comes is its own fault, not of the one that made room", async () => {
  await using many = await createBatchDecoder(randomLlama({ seed: 3, tied: false, context: 200 }), { threads: 1 });
  const held = () => {
    throw new Error("lost");
  };
  const before = Array.from({ length: 20 }, () => many.generate([1, 2, 3], { maxTokens: 4 }));
  const faulty = many.generate([1, 2, 3], { maxTokens: 4, held });
  const behind = many.generate([1, 2, 3], { maxTokens: 4 });
  const ended = await Promise.allSettled([...before, faulty, behind]);
  expect(ended.flatMap(({ status }, i) => (status === "rejected" ? [i] : []))).toEqual([20]);
});
