/** @file The frozen models of a run: how they are held, and the one edge model of most runs with all that is read beside it. */
import type { Model } from "../models/model.ts";
import { type OpenOptions, openModel } from "../models/model-file.ts";
import { quantizations } from "../models/quantized/layout.ts";
import { requireEmbeddings } from "../pair/pair.ts";
import type { PromptLayout } from "../text/prompt.ts";
import { loadTokenizer, type Tokenizer } from "../text/tokenizer-file.ts";
import type { Answers, FrozenWeights } from "./config.ts";
import { openTaskSource, type TaskSource } from "./task-batches.ts";

/** `f32`: as they are, blocks widened; `blocks`: in the blocks of their GGUF file; else quantised when the run begins. */
export function openingOf(held: FrozenWeights): OpenOptions {
  if (held === "f32") return {};
  return held === "blocks" ? { keepBlocks: true } : { quantize: quantizations[held] };
}

type EdgeRun = Pick<Answers, "tasks" | "episodes"> & {
  readonly layout: PromptLayout;
  readonly edge: string;
  readonly tokenizer?: string | undefined;
  readonly weights?: { readonly edge: FrozenWeights };
};

type FrozenEdge = { readonly edge: Model; readonly tokenizer: Tokenizer; readonly source: TaskSource };

/** Opens the edge model, its tokenizer and what it is trained on. Throws E_MISMATCH where model and tokenizer do not fit; and as what it opens. */
export async function openEdge(run: EdgeRun): Promise<FrozenEdge> {
  const edge = await openModel(run.edge, openingOf(run.weights?.edge ?? "f32"));
  const tokenizer = await loadTokenizer(run.tokenizer ?? run.edge);
  requireEmbeddings(run.edge, edge.config, tokenizer);
  return { edge, tokenizer, source: await openTaskSource(run, tokenizer, run.layout) };
}
