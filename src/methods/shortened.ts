/** @file Hard compression: fewer of the system prompt's own tokens in the context, the first ones or the most surprising. */
import { type CachedModel, createCachedModel } from "../decode/cached-model.ts";
import { logSumExp } from "../decode/sampling.ts";
import { cloudHead, encodeCloudPrompt } from "../text/prompt.ts";
import { readingFlops } from "./flops.ts";
import { freeOfCost, type Method, type Prepared, type Preparing, type Subject } from "./method.ts";

/** Plain truncation: the first Nth of the tokens. */
export const truncated = (ratio: number): Method => ({
  summary: "the edge model with the first Nth of the system prompt's tokens in its context",
  needs: { training: "nothing", beside: "nothing" },
  async prepare(subject, { systemPrompt }) {
    const from = performance.now();
    const { ids } = promptTokens(subject, systemPrompt);
    return reading(subject, ids.slice(0, keptOf(ids.length, ratio)), { from, flops: 0 });
  },
});

/** LLMLingua's kind (Jiang et al. 2023): the Nth of the tokens that the edge model expects least. */
export const surprising = (ratio: number): Method => ({
  summary: "the edge model with the Nth of the system prompt's tokens that it expects least (LLMLingua's kind)",
  needs: { training: "nothing", beside: "each prompt" },
  async prepare(subject, { systemPrompt }, how) {
    const from = performance.now();
    const prompt = promptTokens(subject, systemPrompt);
    return reading(subject, await mostSurprising(subject, prompt, ratio, how), {
      from,
      flops: readingFlops(subject, prompt.before.length + prompt.ids.length),
    });
  },
});

/** Tokens that are judged at once, behind what was kept of those before. */
const segmentTokens = 200;

type PromptTokens = { readonly before: readonly number[]; readonly ids: readonly number[] };

/** The tokens before a prompt, and its own. */
function promptTokens({ tokenizer, layout }: Subject, prompt: string): PromptTokens {
  const before = cloudHead(tokenizer, layout);
  return { before, ids: encodeCloudPrompt(tokenizer, layout, prompt).slice(before.length) };
}

const keptOf = (length: number, ratio: number): number => Math.max(1, Math.floor(length / ratio));

/** Of each segment the most surprising tokens, in their order. A token that nothing stands before counts as expected by nobody. */
export async function mostSurprising(
  { model }: Pick<Subject, "model">,
  { before, ids }: PromptTokens,
  ratio: number,
  { threads = 0, device = "cpu" }: Preparing = {},
): Promise<number[]> {
  await using cached = await createCachedModel(model, { threads, device });
  const kept: number[] = [];
  for (let start = 0; start < ids.length; start += segmentTokens) {
    const segment = ids.slice(start, start + segmentTokens);
    const surprisal = await surprisals(cached, [...before, ...kept], segment);
    const best = [...segment.keys()].sort((a, b) => surprisal[b]! - surprisal[a]! || a - b);
    const chosen = new Set(best.slice(0, keptOf(segment.length, ratio)));
    kept.push(...segment.filter((_, i) => chosen.has(i)));
  }
  return kept;
}

/** −log p of each token of a segment behind what is read before it and the segment's own tokens; infinite behind nothing. */
export async function surprisals(
  cached: CachedModel,
  read: readonly number[],
  segment: readonly number[],
): Promise<number[]> {
  const held = cached.rewind(read.slice(0, -1), { reuse: true });
  const first = read.length === 0 ? undefined : Float32Array.from(await cached.feed(read.slice(held)));
  const rows = await cached.feedAll(segment);
  const vocab = rows.length / segment.length;
  return segment.map((id, i) => {
    const logits = i === 0 ? first : rows.subarray((i - 1) * vocab, i * vocab);
    return logits === undefined ? Number.POSITIVE_INFINITY : logSumExp(logits) - logits[id]!;
  });
}

function reading(
  { model, tokenizer }: Subject,
  ids: readonly number[],
  { from, flops }: { readonly from: number; readonly flops: number },
): Prepared {
  const text = tokenizer.decode([...ids]);
  const seconds = (performance.now() - from) / 1000;
  return {
    model,
    context: async () => text,
    prompt: text,
    cost: { ...freeOfCost, seconds, flops, bytes: Buffer.byteLength(text) },
  };
}
