/**
 * @file The edge model over a bank of slots: each slot holds the keys and values of one sequence, each row of a step has its own gates.
 *
 * GroupQueryAttention adds new keys and values in place. Over a batch it can do two things: read whole sequences from their first token,
 * filled up on the right, and read one more token of each sequence. More tokens behind a sequence that is not empty are read one sequence at
 * a time. So there are three kinds of steps.
 */
import { compile } from "#runtime";
import { type FrozenModel, frozenParts, frozenSources } from "../models/frozen-model.ts";
import type { CompileOptions, Feeds } from "../runtime/session.ts";
import { floats, intTensor, type Tensor, tensor } from "../runtime/tensor.ts";
import type { StepChange } from "./cached-model.ts";
import { type CacheEntry, cacheEntries, decoderGraph, inputsRead, nearNames } from "./graph.ts";
import { lastRows } from "./key-value-cache.ts";

/** What one row of a step reads. */
export type Row = {
  readonly slot: number;
  /** Positions read before. */
  readonly held: number;
  readonly ids: readonly number[];
  /** (L, n) of the row's specialisation; zeros: the base model. */
  readonly gates: Float32Array;
};

/** What is kept of the first positions of a sequence: of each entry of the cache (heads, positions, width). */
export type SavedPositions = { readonly positions: number; readonly values: readonly Float32Array[] };

export type BatchModel = AsyncDisposable & {
  /** Positions that every slot has room for at the moment. */
  readonly room: number;
  /** Makes room for so many positions in every slot; what the first `held[slot]` of them hold is kept. */
  makeRoom(positions: number, held: readonly number[]): void;
  /** Reads whole sequences from their first token. Returns the logits behind each row's last token, (rows, vocab), valid until the next step. */
  prefill(rows: readonly Row[]): Promise<Float32Array>;
  /** Reads several tokens behind one sequence. */
  extend(row: Row): Promise<Float32Array>;
  /** Reads one token of each sequence. Rows are given by ascending slot; slots between them are computed too, and left as they were. */
  decode(rows: readonly Row[], held: readonly number[]): Promise<Float32Array>;
  /** What a slot holds becomes what another holds. */
  move(from: number, to: number, held: number): void;
  save(slot: number, positions: number): SavedPositions;
  load(slot: number, saved: SavedPositions): void;
  close(): Promise<void>;
};

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
const roomStep = 64;

const slotSize = ({ heads, width }: CacheEntry, positions: number): number => heads * positions * width;

type Block = { readonly data: Float32Array; readonly room: number };

/** What a slot holds of an entry. */
const blockOf = (entry: CacheEntry, data: Float32Array, slot: number, room: number): Block => ({
  data: data.subarray(slot * slotSize(entry, room), (slot + 1) * slotSize(entry, room)),
  room,
});

function copyPositions({ heads, width }: CacheEntry, from: Block, to: Block, count: number): void {
  for (let head = 0; head < heads; head++) {
    const start = head * from.room * width;
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
  /** One slot more than asked for: the row that is computed beside a single one. */
  const allSlots = slots + 1;
  let room = 0;
  let bank: Float32Array[] = entries.map(() => new Float32Array(0));
  let staging: Float32Array[] = entries.map(() => new Float32Array(0));
  let logits = new Float32Array(0);

  function makeRoom(positions: number, held: readonly number[]): void {
    const wanted = Math.ceil(positions / roomStep) * roomStep;
    if (room >= wanted && room <= 4 * wanted) return;
    const before = room;
    room = wanted;
    bank = bank.map((old, i) => {
      const entry = entries[i]!;
      const grown = new Float32Array(allSlots * slotSize(entry, wanted));
      held.forEach((count, slot) => {
        copyPositions(entry, blockOf(entry, old, slot, before), blockOf(entry, grown, slot, wanted), count);
      });
      return grown;
    });
  }

  /** What convolutions read last before the new tokens of each row, (b, width − 1, hidden). */
  function inputsBefore(entry: CacheEntry, buffer: Float32Array, step: Step, positions: number): Tensor<"f32"> {
    const count = inputsRead(config);
    const rows = new Float32Array(step.batch * count * hidden);
    step.held.forEach((held, row) => {
      const { data } = blockOf(entry, buffer, row, positions);
      rows.set(lastRows(data, hidden, { held, count }), row * count * hidden);
    });
    return tensor("f32", [step.batch, count, hidden], rows);
  }

  function keepInputs(
    entry: CacheEntry,
    buffer: Float32Array,
    step: Step,
    positions: number,
    found: Float32Array,
  ): void {
    step.held.forEach((held, row) => {
      const { data } = blockOf(entry, buffer, row, positions);
      const count = Math.min(step.time, positions - held); // of padding, what has room
      const from = row * step.time * hidden;
      data.set(found.subarray(from, from + count * hidden), held * hidden);
    });
  }

  /** Runs one step over rows whose keys and values lie one after the other in `buffers`. */
  async function run(step: Step, buffers: readonly Float32Array[], positions: number): Promise<Float32Array> {
    const { batch, time, tokens, places, rows, last, total, gates } = step;
    const fed: Record<string, Tensor> = {};
    const into: Record<string, Tensor> = {};
    entries.forEach((entry, i) => {
      const { past, present, heads, width, isInPlace } = entry;
      const buffer = buffers[i]!.subarray(0, batch * slotSize(entry, positions));
      if (isInPlace) fed[past] = into[present] = tensor("f32", [batch, heads, positions, width], buffer);
      else fed[past] = inputsBefore(entry, buffer, step, positions);
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
        [nearNames.last]: intTensor([batch], last),
        [nearNames.total]: intTensor([], [total]),
      },
      into,
    );
    entries.forEach((entry, i) => {
      if (!entry.isInPlace) keepInputs(entry, buffers[i]!, step, positions, floats(results[entry.present]));
    });
    return result;
  }

  const gateSize = gating === undefined ? 0 : gating.shape[0] * gating.shape[1];
  const blank: Row = { slot: 0, held: 0, ids: [0], gates: new Float32Array(gateSize) };

  function stepOf(rows: readonly Row[], wanted: readonly number[], time: number): Step {
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
      last: rows.map(({ held, ids }) => held + ids.length - 1),
      total: Math.max(...rows.map(({ held, ids }) => held + ids.length)),
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
    const found = await run({ ...stepOf(rows, atLeastRows(all), time), total: time }, staging, time);
    entries.forEach((entry, i) => {
      rows.forEach(({ slot, ids }, row) => {
        const to = blockOf(entry, bank[i]!, slot, room);
        copyPositions(entry, blockOf(entry, staging[i]!, row, time), to, ids.length);
      });
    });
    return found;
  }

  function extend(row: Row): Promise<Float32Array> {
    const own = bank.map((buffer, i) => blockOf(entries[i]!, buffer, row.slot, room).data);
    return run(stepOf([row], [0, 0], row.ids.length), own, room);
  }

  function decode(rows: readonly Row[], held: readonly number[]): Promise<Float32Array> {
    const bySlot = new Map(rows.map((row) => [row.slot, row]));
    const count = Math.max(leastRows, rows.at(-1)!.slot + 1);
    const beside = (slot: number): Row => ({ ...blank, held: Math.min(held[slot] ?? 0, config.context - 1) });
    const all = Array.from({ length: count }, (_, slot) => bySlot.get(slot) ?? beside(slot));
    return run(stepOf(all, atLeastRows(rows.map(({ slot }) => slot)), 1), bank, room);
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
      entries.forEach((entry, i) => {
        copyPositions(entry, blockOf(entry, bank[i]!, from, room), blockOf(entry, bank[i]!, to, room), held);
      });
    },
    save(slot, positions) {
      const values = bank.map((buffer, i) => {
        const entry = entries[i]!;
        const kept = new Float32Array(slotSize(entry, positions));
        copyPositions(entry, blockOf(entry, buffer, slot, room), { data: kept, room: positions }, positions);
        return kept;
      });
      return { positions, values };
    },
    load(slot, { positions, values }) {
      values.forEach((kept, i) => {
        const entry = entries[i]!;
        copyPositions(entry, { data: kept, room: positions }, blockOf(entry, bank[i]!, slot, room), positions);
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
  readonly gates: Float32Array;
};
