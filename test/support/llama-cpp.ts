/** @file llama.cpp itself, from the prebuilt binary of node-llama-cpp: what exported GGUF files are compared with. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Llama, LlamaContextSequence, Token } from "node-llama-cpp";

/** Why llama.cpp cannot be run here; undefined where it can. Its binary is an optional package, one per platform. */
export function missingLlamaCpp(): string | undefined {
  const platform = { linux: "linux", darwin: "mac", win32: "win" }[process.platform as "linux"] ?? process.platform;
  const name = `@node-llama-cpp/${platform}-${process.arch}${platform === "mac" && process.arch === "arm64" ? "-metal" : ""}`;
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? [];
  return folders.some((folder) => existsSync(join(folder, name))) ? undefined : `${name} is not installed`;
}

/** Never downloads and never compiles. */
export async function startLlamaCpp(): Promise<Llama> {
  const { getLlama, LlamaLogLevel } = await import("node-llama-cpp");
  return getLlama({
    gpu: false,
    build: "never",
    skipDownload: true,
    progressLogs: false,
    logLevel: LlamaLogLevel.error,
  });
}

export type LlamaCppModel = AsyncDisposable & {
  /** The likeliest tokens behind a prompt, up to and without the first of `ends`; of those that a grammar (GBNF) allows. */
  greedy(
    prompt: readonly number[],
    options: { maxTokens: number; ends: readonly number[]; grammar?: string },
  ): Promise<number[]>;
  /** Logits (vocab) behind every position from `from` on. */
  logits(ids: readonly number[], from: number): Promise<Float32Array[]>;
  /** The likeliest token behind every position from `from` on. */
  likeliest(ids: readonly number[], from: number): Promise<number[]>;
  /** @param parseSpecial whether special tokens written in the text are these tokens */
  tokenize(text: string, parseSpecial?: boolean): number[];
  detokenize(ids: readonly number[]): string;
};

/** Opens a GGUF model, with a GGUF adapter or without, in fp32 throughout. */
export async function openLlamaCpp(
  llama: Llama,
  path: string,
  { adapter, contextSize = 512 }: { readonly adapter?: string; readonly contextSize?: number } = {},
): Promise<LlamaCppModel> {
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0, useMmap: false });
  const context = await model.createContext({
    contextSize,
    flashAttention: false,
    experimentalKvCacheKeyType: "F32",
    experimentalKvCacheValueType: "F32",
    swaFullCache: true,
    threads: 1,
    ...(adapter === undefined ? {} : { lora: { adapters: [{ filePath: adapter }] } }),
  });
  const sequence = context.getSequence();

  async function evaluate<T>(
    ids: readonly number[],
    from: number,
    generateNext: { token?: boolean; logits?: boolean },
    read: (next: Next) => T,
  ): Promise<T[]> {
    await sequence.clearHistory();
    const options = { temperature: 0 };
    const input = ids.map((id, i) =>
      i < from ? (id as Token) : ([id as Token, { generateNext: { ...generateNext, options } }] as [Token, object]),
    );
    const output = await sequence.controlledEvaluate(input);
    return ids.slice(from).map((_, i) => read(output[from + i]!.next));
  }
  async function grammarState(grammar: string) {
    const { LlamaGrammarEvaluationState } = await import("node-llama-cpp");
    return new LlamaGrammarEvaluationState({ model, grammar: await llama.createGrammar({ grammar }) });
  }

  return {
    async greedy(prompt, { maxTokens, ends, grammar }) {
      await sequence.clearHistory();
      const found: number[] = [];
      const restricted = grammar === undefined ? {} : { grammarEvaluationState: await grammarState(grammar) };
      const tokens = sequence.evaluate(prompt as unknown as Token[], {
        temperature: 0,
        yieldEogToken: true,
        ...restricted,
      });
      for await (const token of tokens) {
        if (ends.includes(token)) break;
        found.push(token);
        if (found.length === maxTokens) break;
      }
      return found;
    },
    logits: (ids, from) =>
      evaluate(ids, from, { logits: true }, ({ logits }) => {
        const row = new Float32Array(logits!.size);
        for (const [token, logit] of logits!) row[token] = logit;
        return row;
      }),
    likeliest: (ids, from) => evaluate(ids, from, { token: true }, ({ token }) => token as number),
    tokenize: (text, parseSpecial = false) => [...model.tokenize(text, parseSpecial)],
    detokenize: (ids) => model.detokenize(ids as unknown as Token[], true),
    async [Symbol.asyncDispose]() {
      await context.dispose();
      await model.dispose();
    },
  };
}

type Next = NonNullable<Awaited<ReturnType<LlamaContextSequence["controlledEvaluate"]>>[number]>["next"];
