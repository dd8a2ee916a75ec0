/** @file What is measured in a page: `measure`, which the benchmark calls from outside. */
import {
  type Answerer,
  createAnswerer,
  createDecoder,
  type Decoder,
  type Device,
  type EdgePair,
  fetchFiles,
  loadEdgePair,
  parseSpecialization,
} from "lora-gen/browser";

let pair: EdgePair;
let decoder: Decoder;
let answerer: Answerer | undefined;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

export const measure = {
  /** Milliseconds until the base model can answer: its files, then the session. */
  load: async (base: string, device: Device) => ({
    files: await timed(async () => {
      pair = await loadEdgePair(fetchFiles(base));
    }),
    session: await timed(async () => {
      decoder = await createDecoder(pair.edge, { device });
    }),
  }),
  /** Tokens per second of reading a prompt and of writing `count` tokens behind it. */
  async decode(ids: readonly number[], count: number) {
    const { ms } = await decoder.generate(ids, { maxTokens: count, stopIds: [], reusePrefix: false });
    return { prefill: (ids.length / ms.prefill) * 1000, decode: (count / ms.decode) * 1000 };
  },
  /** Milliseconds from a specialisation's text to a model that answers with it, the base model being there. */
  swap: (text: string, device: Device) =>
    timed(async () => {
      const next = await createAnswerer(pair, { specialization: parseSpecialization(text, "specialization"), device });
      await answerer?.close();
      answerer = next;
    }),
};

Object.assign(globalThis, { measure });
