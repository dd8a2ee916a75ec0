/**
 * @file Continuous batching: sequences that come and go share the steps of one model.
 *
 * A sequence asks for tokens to be read; in every round the batcher reads what all of them wait for, in at most three steps. Which tokens are
 * read together depends on their sequence alone, never on what else there is: so neither do answers.
 */
import { AppError } from "../base/errors.ts";
import type { BatchModel, Row, SavedPositions } from "./batch-model.ts";
import type { SequenceModel } from "./generate.ts";
import { pieceTokens } from "./slots.ts";

/** The beginning of a prompt that is worth keeping. */
export type KeptPrefix = {
  readonly tokens: number;
  readonly saved: SavedPositions | undefined;
  readonly keep: (saved: SavedPositions) => void;
};

export type SequenceOptions = {
  readonly gates: Float32Array;
  /** Positions it has room for. */
  readonly positions: number;
  readonly prefix?: KeptPrefix | undefined;
};

export type Sequence = SequenceModel & {
  /** Positions that were read. */
  readonly held: number;
  /** Positions it has room for. */
  readonly positions: number;
  /** Gives it room for more. */
  widen(positions: number): void;
  /** Gives its slot away; what it holds is kept beside, bit for bit. Only while nothing of it is being read. */
  park(): void;
  /** Takes a slot again. Throws where none is free. */
  unpark(): void;
  close(): void;
};

export type Batcher = {
  readonly open: number;
  /** Positions that each open sequence takes up, with one more of `positions`. */
  roomWith(positions: number): number;
  /** Throws where no slot is free. */
  start(options: SequenceOptions): Sequence;
  close(): Promise<void>;
};

export type BatcherOptions = {
  readonly slots: number;
  readonly capacity: number;
  readonly vocab: number;
  /** Whether nothing is written while something is to be read: steps that write are fuller then, and first answers come later. */
  readonly readsFirst?: boolean;
  /** Called before every round. */
  readonly onRound?: () => void;
  /** Called after every step with the rows that were wanted, and the tokens read. */
  readonly onStep?: (kind: "prefill" | "extend" | "decode", rows: number, tokens: number) => void;
  /** Runs steps of several batchers one at a time. */
  readonly inTurn?: <T>(step: () => Promise<T>) => Promise<T>;
};

type Waiting = {
  readonly ids: readonly number[];
  read: number;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (logits: Float32Array) => void;
  readonly reject: (error: unknown) => void;
};

type Open = Omit<SequenceOptions, "positions"> & {
  positions: number;
  slot: number;
  held: number;
  waiting: Waiting | undefined;
  /** What its first positions are to hold, until they do. */
  toLoad: SavedPositions | undefined;
};
type Ready = Open & { waiting: Waiting };

const isReady = (sequence: Open): sequence is Ready => sequence.waiting !== undefined;

/** How many tokens of a sequence are read next: up to the end of a piece (others need not wait long), of the kept prefix, or of what is there. */
function nextPiece({ held, waiting, prefix }: Ready): number {
  const kept = prefix?.tokens ?? 0;
  const from = held < kept ? 0 : kept;
  const pieceEnd = from + (Math.floor((held - from) / pieceTokens) + 1) * pieceTokens;
  const end = held + waiting.ids.length - waiting.read;
  return Math.min(end, pieceEnd, held < kept ? kept : end) - held;
}

/** Lets callers take up what a step gave them, and new ones come in. */
const turn = (): Promise<void> => new Promise((done) => setImmediate(done));

export function createBatcher(
  model: BatchModel,
  { slots, capacity, vocab, readsFirst = false, onRound, onStep, inTurn = (step) => step() }: BatcherOptions,
): Batcher {
  const open = new Set<Open>();
  let driving: Promise<void> | undefined;

  const bySlot = (): Open[] => [...open].sort((a, b) => a.slot - b.slot);
  const ready = (): Ready[] => bySlot().filter(isReady);
  /** Those that came first come first: by slots, what comes later and gets a lower one would be read before the others, for ever. */
  const byAge = (): Ready[] => [...open].filter(isReady);
  const heldBySlot = (): number[] => {
    const held: number[] = [];
    for (const sequence of open) held[sequence.slot] = sequence.held;
    return Array.from(held, (count) => count ?? 0);
  };

  function freeSlot(): number {
    const used = new Set(Array.from(open, ({ slot }) => slot));
    let slot = 0;
    while (used.has(slot)) slot++;
    if (slot >= slots) throw new Error("internal: no slot is free");
    return slot;
  }

  function start(options: SequenceOptions): Sequence {
    const sequence: Open = { ...options, slot: freeSlot(), held: 0, waiting: undefined, toLoad: undefined };
    open.add(sequence);
    return {
      capacity,
      get held() {
        return sequence.held;
      },
      get positions() {
        return sequence.positions;
      },
      widen(positions) {
        sequence.positions = positions;
      },
      park() {
        sequence.toLoad ??= model.save(sequence.slot, sequence.held);
        open.delete(sequence);
      },
      unpark() {
        sequence.slot = freeSlot();
        open.add(sequence);
      },
      rewind() {
        sequence.toLoad = options.prefix?.saved; // between steps: one may be writing into the slot
        sequence.held = sequence.toLoad?.positions ?? 0;
        return sequence.held;
      },
      feed: (ids, signal) =>
        new Promise((resolve, reject) => {
          for (const id of ids)
            if (!Number.isInteger(id) || id < 0 || id >= vocab) {
              reject(new AppError("E_LIMIT", `token id: expected 0…${vocab - 1}, found ${id}`));
              return;
            }
          sequence.waiting = { ids, read: 0, signal, resolve, reject };
          driving ??= drive();
        }),
      close: () => void open.delete(sequence),
    };
  }

  const roomWith = (positions: number): number =>
    Math.max(positions, ...Array.from(open, (sequence) => sequence.positions));

  /** Between steps only: what it changes, a step reads and writes. */
  function prepare(): void {
    // One position more than any sequence has: a row that is only computed beside others writes behind its own.
    model.makeRoom(roomWith(0) + 1, heldBySlot());
    for (const sequence of open) {
      if (sequence.toLoad !== undefined) model.load(sequence.slot, sequence.toLoad);
      sequence.toLoad = undefined;
    }
    closeGaps();
  }

  /** Steps until nobody waits. What fails between steps fails for all that wait: none of them is left waiting for ever. */
  async function drive(): Promise<void> {
    try {
      await rounds();
    } catch (error) {
      for (const sequence of open) {
        sequence.waiting?.reject(error);
        sequence.waiting = undefined;
      }
    } finally {
      driving = undefined;
    }
  }

  async function rounds(): Promise<void> {
    for (;;) {
      await turn();
      onRound?.();
      for (const { waiting } of ready()) if (waiting.signal?.aborted) waiting.resolve(new Float32Array(0));
      for (const sequence of open) if (sequence.waiting?.signal?.aborted) sequence.waiting = undefined;
      if (ready().length === 0) break;
      prepare();
      const first = firstTokens(byAge());
      await step(first, "prefill", (rows) => model.prefill(rows));
      prepare();
      const later = byAge().find((sequence) => sequence.held > 0 && nextPiece(sequence) > 1);
      if (later !== undefined) await step([later], "extend", ([row]) => model.extend(row!));
      if (readsFirst && (first.length > 0 || later !== undefined)) continue;
      prepare();
      const single = ready().filter((sequence) => sequence.held > 0 && nextPiece(sequence) === 1);
      await step(single, "decode", (rows, held) => model.decode(rows, held));
    }
  }

  /** Sequences that nothing was read of: so many as have room in one step, filled up to the longest. */
  function firstTokens(all: readonly Ready[]): Ready[] {
    const group: Ready[] = [];
    let longest = 0;
    for (const sequence of all) {
      if (sequence.held > 0) continue;
      const length = Math.max(longest, nextPiece(sequence));
      if (group.length > 0 && length * (group.length + 1) > pieceTokens) continue;
      group.push(sequence);
      longest = length;
    }
    return group.sort((a, b) => a.slot - b.slot);
  }

  async function step(
    sequences: readonly Ready[],
    kind: "prefill" | "extend" | "decode",
    run: (rows: readonly Row[], held: readonly number[]) => Promise<Float32Array>,
  ): Promise<void> {
    if (sequences.length === 0) return;
    const rows = sequences.map((sequence): Row => {
      const { slot, held, gates, waiting } = sequence;
      return { slot, held, gates, ids: waiting.ids.slice(waiting.read, waiting.read + nextPiece(sequence)) };
    });
    const held = heldBySlot(); // now: one that takes a slot before its turn comes may hold more than there is room for
    let logits: Float32Array;
    try {
      logits = await inTurn(() => run(rows, held));
    } catch (error) {
      for (const sequence of sequences) {
        sequence.waiting.reject(error);
        (sequence as Open).waiting = undefined;
      }
      return;
    }
    onStep?.(
      kind,
      rows.length,
      rows.reduce((sum, { ids }) => sum + ids.length, 0),
    );
    sequences.forEach((sequence, i) => {
      const { waiting, prefix, slot } = sequence;
      const { length } = rows[i]!.ids;
      sequence.held += length;
      waiting.read += length;
      if (prefix !== undefined && prefix.saved === undefined && sequence.held === prefix.tokens)
        prefix.keep(model.save(slot, prefix.tokens));
      if (waiting.read < waiting.ids.length) return;
      (sequence as Open).waiting = undefined;
      waiting.resolve(logits.slice(i * vocab, (i + 1) * vocab)); // a copy: the next step writes where these lie
    });
  }

  /** The last sequences move into slots that became free before them: every slot up to the last one is computed. */
  function closeGaps(): void {
    const all = bySlot();
    for (let slot = 0; slot < all.length; slot++) {
      if (all[slot]!.slot === slot) continue;
      const last = all.pop()!;
      model.move(last.slot, slot, last.held);
      last.slot = slot;
      all.splice(slot, 0, last);
    }
  }

  return {
    get open() {
      return open.size;
    },
    roomWith,
    start,
    async close() {
      await driving;
      await model.close();
    },
  };
}
