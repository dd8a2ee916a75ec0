/** @file Whether a written GGUF file makes the tokens that its tokenizer makes: by llama.cpp itself where it is installed, else by our reading of it. */
import { AppError } from "../base/errors.ts";
import { isGguf, loadTokenizer, readTokenizer } from "../text/tokenizer-file.ts";
import { checkTokenizerJson } from "../text/tokenizer-json.ts";
import { hardTexts } from "./hard-texts.ts";

export type TokenCheck = {
  /** How many texts were compared. */
  readonly texts: number;
  readonly by: "llama.cpp" | "our reading of the file";
};

/** llama.cpp in this process, as node-llama-cpp's `getLlama` gives it. */
export type RunningLlamaCpp = {
  loadModel(options: { modelPath: string; vocabOnly: boolean; gpuLayers: number }): Promise<{
    tokenize(text: string, specialTokens: boolean): readonly number[];
    dispose(): Promise<void>;
  }>;
};

/**
 * Compares tokens on texts that are hard to tokenise.
 * @param running llama.cpp where it runs already; else one is started, which takes most of a second
 * @returns undefined where the tokenizer is that of another GGUF file, which was copied as it is
 * @throws E_MISMATCH naming the first text that becomes other tokens
 */
export async function checkTokens(
  path: string,
  tokenizerPath: string,
  running?: RunningLlamaCpp,
): Promise<TokenCheck | undefined> {
  if (isGguf(tokenizerPath)) return undefined;
  const { json, name } = await readTokenizer(tokenizerPath);
  const normalizes = checkTokenizerJson(json, name).chains.normalizer.some(({ type }) => type === "NFC");
  const [wanted, read] = [await loadTokenizer(tokenizerPath), await loadTokenizer(path)];
  const compare = (encode: (text: string) => readonly number[], by: TokenCheck["by"]) => {
    for (const text of hardTexts) {
      const [expected, found] = [wanted.encode(text), encode(text)];
      if (String(expected) !== String(found))
        throw new AppError(
          "E_MISMATCH",
          `${path}: ${JSON.stringify(text)} becomes the tokens [${found}] by ${by}, expected [${expected}], which ${name} makes: llama.cpp has no tokenizer that is this one`,
        );
    }
  };
  compare(read.encode, "our reading of the file");
  const peer = await openTokenizer(path, running);
  if (peer === undefined) return { texts: hardTexts.length, by: "our reading of the file" };
  try {
    // llama.cpp does not normalise: a model that wants NFC gets what it is given.
    compare((text) => peer.encode(normalizes ? text.normalize("NFC") : text), "llama.cpp");
  } finally {
    await peer.close();
  }
  return { texts: hardTexts.length, by: "llama.cpp" };
}

/** llama.cpp's tokenizer of a file, from node-llama-cpp's binary; undefined where that package or its binary is not installed. */
async function openTokenizer(path: string, running: RunningLlamaCpp | undefined) {
  const started = running === undefined ? await startLlamaCpp() : undefined;
  const llama: RunningLlamaCpp | undefined = running ?? started;
  if (llama === undefined) return undefined;
  const model = await llama
    .loadModel({ modelPath: path, vocabOnly: true, gpuLayers: 0 })
    .catch(async (error: unknown) => {
      await started?.dispose();
      throw error;
    });
  return {
    encode: (text: string): number[] => [...model.tokenize(text, false)],
    async close() {
      await model.dispose();
      await started?.dispose();
    },
  };
}

/** Never downloads and never compiles. */
async function startLlamaCpp() {
  try {
    const { getLlama, LlamaLogLevel } = await import("node-llama-cpp");
    const quiet = { progressLogs: false, logLevel: LlamaLogLevel.error };
    return await getLlama({ gpu: false, build: "never", skipDownload: true, ...quiet });
  } catch {
    return undefined;
  }
}
