/**
 * @file The edge model over a bank of slots: each slot holds the keys and values of one sequence, each row of a step has its own gates.
 *
 * GroupQueryAttention adds new keys and values in place. Over a batch it can do two things: read whole sequences from their first token,
 * filled up on the right, and read one more token of each sequence. More tokens behind a sequence that is not empty are read one sequence at
 * a time. So there are three kinds of steps.
 */
import { compile } from "#runtime";
import type { ModelConfig } from "../models/config.ts";
import { type FrozenModel, frozenParts, frozenSources } from "../models/frozen-model.ts";
import type { CompileOptions, Feeds } from "../runtime/session.ts";
import { floats, intTensor, type Tensor, tensor } from "../runtime/tensor.ts";
import type { StepChange } from "./cached-model.ts";
import { type CacheEntry, cacheEntries, decoderGraph, inputsRead, nearNames } from "./graph.ts";
import { inSteps, lastRows } from "./key-value-cache.ts";
import { slotLayout } from "./slots.ts";

/** What one row of a step reads. */
export type Row = {
  readonly slot: number;
  /** Positions read before. */
  readonly held: number;
  readonly ids: readonly number[];
  /** (L, n) of the row's specialisation; zeros: the base model. */
  readonly gates: Float32Array;
};

/** What is kept of the first positions of a sequence: of each entry of the cache (heads, those that `slotLayout` keeps, width). */
export type SavedPositions = { readonly positions: number; readonly values: readonly Float32Array[] };

export type BatchModel = AsyncDisposable & {
  /** Positions that every slot has room for at the moment. */
  readonly room: number;
  /** Makes room for so many positions in every slot; what the first `held[slot]` of them hold is kept. */
  makeRoom(positions: number, held: readonly number[]): void;
  /** Reads whole sequences from their first token. Returns the logits behind each row's last token, (rows, vocab), valid until the next step. */
  prefill(rows: readonly Row[]): Promise<Float32Array>;
  /** Reads several tokens behind one sequence, at most `pieceTokens`. */
  extend(row: Row): Promise<Float32Array>;
  /** Reads one token of each sequence. Rows are given by ascending slot; slots between them are computed too, and left as they were. */
  decode(rows: readonly Row[], held: readonly number[]): Promise<Float32Array>;
  /** What a slot holds becomes what another holds. */
  move(from: number, to: number, held: number): void;
  /** What the slot holds of so many first positions; of layers with a window, and convolutions, as long as it still has them. */
  save(slot: number, positions: number): SavedPositions;
  load(slot: number, saved: SavedPositions): void;
  close(): Promise<void>;
};

/** What the tokens of a row leave, by names of `decoderGraph`'s outputs: (1, heads, t, width), of one that convolves (1, t, hidden). */
export type LeftByRow = Readonly<Record<string, Tensor>>;

/** Of what a row's tokens leave that of one sequence among them, the places of its tokens in their order. */
export function savedOf(config: ModelConfig, left: LeftByRow, places: readonly number[]): SavedPositions {
  const { nearFrom } = slotLayout(config);
  const values = cacheEntries(config).map(({ present, heads, width, reach }) => {
    const own = places.slice(reach === undefined ? 0 : nearFrom(places.length));
    const data = floats(left[present]);
    const time = data.length / (heads * width);
    const kept = new Float32Array(heads * own.length * width);
    for (let head = 0; head < heads; head++)
      for (const [i, place] of own.entries()) {
        const from = (head * time + place) * width;
        kept.set(data.subarray(from, from + width), (head * own.length + i) * width);
      }
    return kept;
  });
  return { positions: places.length, values };
}

export type Gating = {
  readonly change: Pick<StepChange, "wrap" | "weights">;
  readonly feeds: (gates: Tensor<"f32">) => Feeds;
  /** (L, n) */
  readonly shape: readonly [number, number];
};

export type BatchModelOptions = Pick<CompileOptions, "threads"> & {
  readonly slots: number;
  /** None of weights that are merged. */
  readonly gating?: Gating | undefined;
};

/**
 * Libraries of matrix products have ways of their own for a single row, which may sum in another order. No product here has one row, so that
 * what a row becomes is the same, bit for bit, whatever else is computed beside it.
 */
const leastRows = 2;

const slotSize = ({ heads, width }: CacheEntry, positions: number): number => heads * positions * width;

/** Positions of one sequence, the first of them at `from`: (heads, room, width). */
type Block = { readonly data: Float32Array; readonly room: number; readonly from: number };

function blockAt(
  entry: CacheEntry,
  data: Float32Array,
  row: number,
  { room, from }: { readonly room: number; readonly from: number },
): Block {
  const size = slotSize(entry, room);
  return { data: data.subarray(row * size, (row + 1) * size), room, from };
}

/** Copies what a block holds up to position `held`, as much of it as begins where the other one does; both may be the same memory. */
function copyPositions({ heads, width }: CacheEntry, from: Block, to: Block, held: number): void {
  const first = to.from - from.from;
  const count = Math.min(held - to.from, from.room - first, to.room);
  if (count <= 0) return;
  for (let head = 0; head < heads; head++) {
    const start = (head * from.room + first) * width;
    to.data.set(from.data.subarray(start, start + count * width), head * to.room * width);
  }
}

export async function createBatchModel(
  model: FrozenModel,
  { slots, gating, ...options }: BatchModelOptions,
): Promise<BatchModel> {
  const { config } = model;
  const { vocab, hidden } = config;
  const parts = frozenParts(model);
  const session = await compile(decoderGraph(config, gating?.change.wrap(parts) ?? parts), {
    weights: { ...frozenSources(model), ...gating?.change.weights },
    ...options,
  });
  const entries = cacheEntries(config);
  const layout = slotLayout(config);
  /** One slot more than asked for: the row that is computed beside a single one. */
  const allSlots = slots + 1;
  let room = 0;
  /** By slot: how many positions were held when it was last put in order, which says where its entries begin. */
  const inOrder: number[] = new Array<number>(allSlots).fill(0);
  let bank: Float32Array[] = entries.map(() => new Float32Array(0));
  let staging: Float32Array[] = entries.map(() => new Float32Array(0));
  let logits = new Float32Array(0);

  const fromOf = ({ reach }: CacheEntry, from: number): number => (reach === undefined ? 0 : from);
  const nearFrom = (slot: number): number => layout.nearFrom(inOrder[slot]!);

  /** What a slot holds of an entry. */
  const blockOf = (entry: CacheEntry, data: Float32Array, slot: number, slotRoom = room): Block =>
    blockAt(entry, data, slot, { room: layout.roomOf(entry, slotRoom), from: fromOf(entry, nearFrom(slot)) });

  function makeRoom(positions: number, held: readonly number[]): void {
    const wanted = inSteps(positions);
    if (room >= wanted && room <= 4 * wanted) return;
    const before = room;
    room = wanted;
    bank = bank.map((old, i) => {
      const entry = entries[i]!;
      const size = allSlots * slotSize(entry, layout.roomOf(entry, wanted));
      if (old.length === size) return old;
      const grown = new Float32Array(size);
      held.forEach((count, slot) => {
        copyPositions(entry, blockOf(entry, old, slot, before), blockOf(entry, grown, slot), count);
      });
      return grown;
    });
  }

  /** Lets a slot forget what is no longer read behind the positions it holds: so there is room for the next ones. */
  function putInOrder(slot: number, held: number): void {
    if (held > 0 && held <= inOrder[slot]!) return;
    const before = entries.map((entry, i) => blockOf(entry, bank[i]!, slot));
    inOrder[slot] = held;
    entries.forEach((entry, i) => {
      const to = blockOf(entry, bank[i]!, slot);
      if (to.from > before[i]!.from) copyPositions(entry, before[i]!, to, held);
    });
  }

  /** What convolutions read last before the new tokens of each row, (b, width − 1, hidden). */
  function inputsBefore(blocks: readonly Block[], { batch, held }: Step): Tensor<"f32"> {
    const count = inputsRead(config);
    const rows = new Float32Array(batch * count * hidden);
    blocks.forEach(({ data, from }, row) => {
      rows.set(lastRows(data, hidden, { held: held[row]! - from, count }), row * count * hidden);
    });
    return tensor("f32", [batch, count, hidden], rows);
  }

  function keepInputs(blocks: readonly Block[], { time, held }: Step, found: Float32Array): void {
    blocks.forEach(({ data, room, from }, row) => {
      const first = held[row]! - from;
      const count = Math.min(time, room - first); // of padding, what has room
      const start = row * time * hidden;
      data.set(found.subarray(start, start + count * hidden), first * hidden);
    });
  }

  /** Runs one step over rows whose keys and values lie one after the other in `buffers`. */
  async function run(
    step: Step,
    buffers: readonly Float32Array[],
    roomOf: (entry: CacheEntry) => number,
  ): Promise<Float32Array> {
    const { batch, time, tokens, places, rows, last, total, near, gates } = step;
    const fed: Record<string, Tensor> = {};
    const into: Record<string, Tensor> = {};
    const blocksOf = (entry: CacheEntry, i: number): Block[] =>
      near.from.map((from, row) =>
        blockAt(entry, buffers[i]!, row, { room: roomOf(entry), from: fromOf(entry, from) }),
      );
    entries.forEach((entry, i) => {
      const { past, present, heads, width, isInPlace } = entry;
      const positions = roomOf(entry);
      const buffer = buffers[i]!.subarray(0, batch * slotSize(entry, positions));
      if (isInPlace) fed[past] = into[present] = tensor("f32", [batch, heads, positions, width], buffer);
      else fed[past] = inputsBefore(blocksOf(entry, i), step);
    });
    if (logits.length < rows.length * vocab) logits = new Float32Array(rows.length * vocab);
    const result = logits.subarray(0, rows.length * vocab);
    into["logits"] = tensor("f32", [rows.length, vocab], result);
    const results = await session.run(
      {
        ...fed,
        ...(gating === undefined ? {} : gating.feeds(tensor("f32", [batch, ...gating.shape], gates))),
        tokens: intTensor([batch, time], tokens),
        positions: intTensor([batch, time], places),
        rows: intTensor([rows.length], rows),
        last: intTensor([batch], last),
        total: intTensor([], [total]),
        [nearNames.last]: intTensor(
          [batch],
          last.map((at, row) => at - near.from[row]!),
        ),
        [nearNames.total]: intTensor([], [near.total]),
      },
      into,
    );
    entries.forEach((entry, i) => {
      if (!entry.isInPlace) keepInputs(blocksOf(entry, i), step, floats(results[entry.present]));
    });
    return result;
  }

  const gateSize = gating === undefined ? 0 : gating.shape[0] * gating.shape[1];
  const blank: Row = { slot: 0, held: 0, ids: [0], gates: new Float32Array(gateSize) };

  /** @param from where each row's entries with a reach begin */
  function stepOf(rows: readonly Row[], wanted: readonly number[], time: number, from: readonly number[]): Step {
    const ends = rows.map(({ held, ids }) => held + ids.length);
    const gates = new Float32Array(rows.length * gateSize);
    if (gateSize > 0)
      rows.forEach((row, i) => {
        gates.set(row.gates, i * gateSize);
      });
    return {
      batch: rows.length,
      time,
      tokens: rows.flatMap(({ ids }) => Array.from({ length: time }, (_, t) => ids[t] ?? 0)),
      places: rows.flatMap(({ held }) => Array.from({ length: time }, (_, t) => held + t)),
      rows: wanted.map((row) => row * time + rows[row]!.ids.length - 1),
      held: rows.map(({ held }) => held),
      last: ends.map((end) => end - 1),
      total: Math.max(...ends),
      near: { from, total: Math.max(...ends.map((end, row) => end - from[row]!)) },
      gates,
    };
  }

  const atLeastRows = (wanted: readonly number[]): readonly number[] =>
    wanted.length >= leastRows ? wanted : [...wanted, wanted[0]!];

  async function prefill(rows: readonly Row[]): Promise<Float32Array> {
    const time = Math.max(leastRows, ...rows.map(({ ids }) => ids.length));
    staging = staging.map((buffer, i) => {
      const size = rows.length * slotSize(entries[i]!, time);
      return buffer.length < size ? new Float32Array(size) : buffer;
    });
    const all = rows.map((_, i) => i);
    const from = all.map(() => 0);
    const step = stepOf(rows, atLeastRows(all), time, from);
    const found = await run({ ...step, total: time, near: { from, total: time } }, staging, () => time);
    rows.forEach(({ slot, ids }, row) => {
      inOrder[slot] = ids.length;
      entries.forEach((entry, i) => {
        const read = blockAt(entry, staging[i]!, row, { room: time, from: 0 });
        copyPositions(entry, read, blockOf(entry, bank[i]!, slot), ids.length);
      });
    });
    return found;
  }

  const roomNow = (entry: CacheEntry): number => layout.roomOf(entry, room);

  function extend(row: Row): Promise<Float32Array> {
    const { slot, held, ids } = row;
    putInOrder(slot, held);
    const own = bank.map((buffer, i) => blockOf(entries[i]!, buffer, slot).data);
    return run(stepOf([row], [0, 0], ids.length, [nearFrom(slot)]), own, roomNow);
  }

  function decode(rows: readonly Row[], held: readonly number[]): Promise<Float32Array> {
    const bySlot = new Map(rows.map((row) => [row.slot, row]));
    const count = Math.max(leastRows, rows.at(-1)!.slot + 1);
    const beside = (slot: number): Row => ({ ...blank, held: Math.min(held[slot] ?? 0, config.context - 1) });
    const all = Array.from({ length: count }, (_, slot) => bySlot.get(slot) ?? beside(slot));
    for (const [slot, row] of all.entries()) putInOrder(slot, row.held);
    const wanted = atLeastRows(rows.map(({ slot }) => slot));
    return run(
      stepOf(
        all,
        wanted,
        1,
        all.map((_, slot) => nearFrom(slot)),
      ),
      bank,
      roomNow,
    );
  }

  return {
    get room() {
      return room;
    },
    makeRoom,
    prefill,
    extend,
    decode,
    move(from, to, held) {
      inOrder[to] = inOrder[from]!;
      entries.forEach((entry, i) => {
        copyPositions(entry, blockOf(entry, bank[i]!, from), blockOf(entry, bank[i]!, to), held);
      });
    },
    save(slot, positions) {
      const values = bank.map((buffer, i) => {
        const entry = entries[i]!;
        const from = fromOf(entry, layout.nearFrom(positions));
        const kept = new Float32Array(slotSize(entry, positions - from));
        copyPositions(entry, blockOf(entry, buffer, slot), { data: kept, room: positions - from, from }, positions);
        return kept;
      });
      return { positions, values };
    },
    load(slot, { positions, values }) {
      inOrder[slot] = positions;
      values.forEach((kept, i) => {
        const to = blockOf(entries[i]!, bank[i]!, slot);
        copyPositions(entries[i]!, { data: kept, room: positions - to.from, from: to.from }, to, positions);
      });
    },
    close: () => session.close(),
    [Symbol.asyncDispose]: () => session.close(),
  };
}

/** The small inputs of a step; see `decoderGraph`. */
type Step = {
  readonly batch: number;
  readonly time: number;
  readonly tokens: readonly number[];
  readonly places: readonly number[];
  readonly rows: readonly number[];
  readonly held: readonly number[];
  readonly last: readonly number[];
  readonly total: number;
  /** Of entries with a reach: where those of each row begin, and the total counted from there. */
  readonly near: { readonly from: readonly number[]; readonly total: number };
  readonly gates: Float32Array;
};
