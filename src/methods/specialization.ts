/** @file The model with a specialisation that was made before, from a prompt or from examples: what `loragen run` answers with. */
import { compileConstraint } from "../constraint/compile.ts";
import { encodeSpecialization, readSpecialization } from "../pair/specialization-file.ts";
import { specializedEdge } from "../pair/specialized-edge.ts";
import { freeOfCost, type Method } from "./method.ts";

/** `folder`: as `loragen specialize` writes it, or its file. What it demands of answers holds here as it does there. */
export const specialization = (folder: string): Method => ({
  summary: "the edge model with the specialisation in FOLDER, in the form that it demands of answers; input alone",
  needs: { training: "once", beside: "each prompt" },
  refuses: ({ pair }) => (pair === undefined ? "needs the pair it was made for, found a model alone" : undefined),
  async prepare({ pair, tokenizer, layout }) {
    const from = performance.now();
    const made = await readSpecialization(folder, pair);
    const model = await specializedEdge(pair!, made);
    const cost = {
      ...freeOfCost,
      seconds: (performance.now() - from) / 1000,
      bytes: encodeSpecialization(made).length,
      examples: made.found?.examples ?? 0,
    };
    if (made.constraint === undefined) return { model, cost };
    return { model, cost, constraint: compileConstraint(tokenizer, layout, made.constraint) };
  },
});
