/** @file A decoder of many prompts at once: their answers share the steps of one model. On the CPU. */
import type { FrozenModel } from "../models/frozen-model.ts";
import { createBatchModel, type SavedPositions } from "./batch-model.ts";
import { createBatcher, type KeptPrefix, type Sequence } from "./batcher.ts";
import type { CachedModelOptions } from "./cached-model.ts";
import { type Generated, type GenerateOptions, generate } from "./generate.ts";
import { slotLayout } from "./slots.ts";

export type BatchDecoder = AsyncDisposable & {
  /** Positions a sequence may have. */
  readonly capacity: number;
  /**
   * Continues a prompt beside others that are continued meanwhile; what it says does not depend on them. Throws as a decoder's.
   * @param held what was read of the prompt's first positions, at least one less than it has; asked for when its turn comes
   */
  generate(
    promptIds: readonly number[],
    options?: Omit<GenerateOptions, "reusePrefix"> & { readonly held?: (() => SavedPositions) | undefined },
  ): Promise<Generated>;
  /** Reads what many prompts begin with. */
  read(ids: readonly number[]): Promise<SavedPositions>;
};

export type BatchDecoderOptions = Pick<CachedModelOptions, "threads" | "change"> & { readonly now?: () => number };

/** Sequences that are decoded at once: another one takes longer then than it saves. */
const slots = 16;
/** What their caches may take up. One alone always has room. */
const cacheBytes = 2 ** 28;

/** Compiles a model for decoding. Prompts wait in their order for a place. */
export async function createBatchDecoder(
  model: FrozenModel,
  { threads, change, now = () => performance.now() }: BatchDecoderOptions = {},
): Promise<BatchDecoder> {
  const { config } = model;
  const { vocab, eosIds, context: capacity } = config;
  const { bytesOf } = slotLayout(config);
  const gating = change && ({ change, feeds: () => change.feeds, shape: [0, 0] } as const);
  const compiled = await createBatchModel(model, { slots, gating, ...(threads === undefined ? {} : { threads }) });
  const batcher = createBatcher(compiled, { slots, capacity, vocab, readsFirst: true });
  const defaults = { vocab, eosIds, reusePrefix: true, now };
  const waiting: { readonly positions: number; readonly begin: () => void }[] = [];

  const hasRoom = (positions: number): boolean =>
    batcher.open === 0 ||
    (batcher.open < slots && (batcher.open + 1) * bytesOf(batcher.roomWith(positions)) <= cacheBytes);

  function admit(): void {
    while (waiting[0] !== undefined && hasRoom(waiting[0].positions)) waiting.shift()!.begin();
  }

  /** Works on a sequence that has so much room. */
  async function within<T>(
    positions: number,
    prefixOf: () => KeptPrefix | undefined,
    work: (sequence: Sequence) => Promise<T>,
  ): Promise<T> {
    const sequence = await new Promise<Sequence>((resolve, reject) => {
      // What goes wrong here is this sequence's, not of the one whose end made room.
      const begin = () => {
        try {
          resolve(batcher.start({ gates: new Float32Array(), positions, prefix: prefixOf() }));
        } catch (error) {
          reject(error);
        }
      };
      waiting.push({ positions, begin });
      admit();
    });
    try {
      return await work(sequence);
    } finally {
      sequence.close();
      admit();
    }
  }

  return {
    capacity,
    generate(promptIds, { held, ...options } = {}) {
      const { maxTokens = 128 } = options;
      const prefix = (): KeptPrefix | undefined => {
        const saved = held?.();
        return saved && { tokens: saved.positions, saved, keep: () => undefined };
      };
      return within(Math.min(capacity, promptIds.length + maxTokens) + 1, prefix, (sequence) =>
        generate(sequence, promptIds, defaults, options),
      );
    },
    async read(ids) {
      let read: SavedPositions | undefined;
      const keep = (saved: SavedPositions) => {
        read = saved;
      };
      await within(
        ids.length + 1,
        () => ({ tokens: ids.length, saved: undefined, keep }),
        (sequence) => sequence.feed(ids),
      );
      return read!;
    },
    [Symbol.asyncDispose]: () => batcher.close(),
  };
}
