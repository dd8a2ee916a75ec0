/** @file `table12`: the arithmetic of one question, counted in the graphs that run. */
import { compressionRatio } from "../../../src/eval/compression.ts";
import { readingFlops } from "../../../src/methods/flops.ts";
import { openModel } from "../../../src/models/model-file.ts";
import { breakEven, perToken } from "../contradictions.ts";
import { number, paragraphs, table } from "../markdown.ts";
import { table12 as printed } from "../paper.ts";
import type { Context, Page } from "../row.ts";

const instruction = 200;
const input = 100;

export async function table12Page({ model: path }: Context): Promise<Page> {
  const model = await openModel(path, { keepBlocks: true });
  const read = (tokens: number) => readingFlops({ model }, tokens);
  const [prompted, alone] = [read(instruction + input), read(input)];
  const cloud = read(instruction + model.config.layers);
  const giga = (flops: number) => number(flops / 1e9, 2);
  const line = (name: string, flops: number) => [name, giga(flops / 2), giga(flops)];
  return {
    text: paragraphs(
      `One question: ${input} tokens of input behind an instruction of ${instruction}. Counted in the graph that runs, matrix products alone, attention in full; a multiplication with its addition is 1 MAC and 2 FLOP.`,
      table(
        ["forward, one question", "GMAC", "GFLOP"],
        [
          line("prompted, or LoRA merged: 300 tokens", prompted),
          line("LoRA-Gen, merged: 100 tokens", alone),
          line(
            `LoRA-Gen, once for each instruction: the cloud model over ${instruction} + ${model.config.layers} meta tokens`,
            cloud,
          ),
        ],
      ),
      `Here cloud and edge model are the same model: the cloud pass is paid back after ${Math.ceil(cloud / (prompted - alone))} question(s). Ratio of tokens: ${number(compressionRatio({ prompt: instruction, input }), 2)}×. The router and the merge are left out: less than 0.1 % of a pass.`,
      "## The paper's row",
      table(
        ["Qwen-1.5B, as printed", "training", "inference"],
        Object.entries(printed).map(([name, { train, infer }]) => [
          name,
          train.toExponential(3),
          infer.toExponential(3),
        ]),
      ),
      `Called FLOPs there. Divided by 300 tokens LoRA's inference is ${number(perToken / 1e9, 2)} · 10⁹, about one for each parameter: they are MACs of one forward pass, without the backward pass and without meta tokens. In them the cloud pass is paid back after ${Math.ceil(breakEven)} queries.`,
      "Not run yet: training steps of LoRA, LoRAMoE, MixLoRA and LoRA-Gen, memory, and latency at a batch of 8.",
    ),
  };
}
