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
import { intTensor, type Tensor, tensor } from "../runtime/tensor.ts";
import type { StepChange } from "./cached-model.ts";
import { cacheNames, decoderGraph } from "./graph.ts";

/** What one row of a step reads. */
export type Row = {
  readonly slot: number;
  /** Positions read before. */
  readonly held: number;
  readonly ids: readonly number[];
  /** (L, n) of the row's specialisation; zeros: the base model. */
  readonly gates: Float32Array;
};

/** Keys and values of the first positions of a sequence: per layer and kind (kvHeads, positions, headDim). */
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

export async function createBatchModel(
  model: FrozenModel,
  { slots, gating, ...options }: BatchModelOptions,
): Promise<BatchModel> {
  const { config } = model;
  const { layers, kvHeads, headDim, vocab } = config;
  const parts = frozenParts(model);
  const session = await compile(decoderGraph(config, gating?.change.wrap(parts) ?? parts), {
    weights: { ...frozenSources(model), ...gating?.change.weights },
    ...options,
  });
  const names = Array.from({ length: layers }, (_, layer) => cacheNames(layer)).flatMap(
    ({ pastK, pastV, presentK, presentV }) => [
      { past: pastK, present: presentK },
      { past: pastV, present: presentV },
    ],
  );
  /** One slot more than asked for: the row that is computed beside a single one. */
  const allSlots = slots + 1;
  let room = 0;
  let bank: Float32Array[] = names.map(() => new Float32Array(0));
  let staging: Float32Array[] = names.map(() => new Float32Array(0));
  let logits = new Float32Array(0);
  const slotSize = (positions: number) => kvHeads * positions * headDim;

  function makeRoom(positions: number, held: readonly number[]): void {
    const wanted = Math.ceil(positions / roomStep) * roomStep;
    if (room >= wanted && room <= 4 * wanted) return;
    const before = room;
    room = wanted;
    bank = bank.map((old) => {
      const grown = new Float32Array(allSlots * slotSize(wanted));
      held.forEach((count, slot) => {
        copyPositions(at(old, slot, before), at(grown, slot, wanted), count);
      });
      return grown;
    });
  }

  type Block = { readonly data: Float32Array; readonly room: number };
  const at = (data: Float32Array, slot: number, positions: number): Block => ({
    data: data.subarray(slot * slotSize(positions), (slot + 1) * slotSize(positions)),
    room: positions,
  });

  function copyPositions(from: Block, to: Block, count: number): void {
    for (let head = 0; head < kvHeads; head++) {
      const start = head * from.room * headDim;
      to.data.set(from.data.subarray(start, start + count * headDim), head * to.room * headDim);
    }
  }

  /** Runs one step over rows whose keys and values lie one after the other in `buffers`. */
  async function run(step: Step, buffers: readonly Float32Array[], positions: number): Promise<Float32Array> {
    const { batch, time, tokens, places, rows, last, total, gates } = step;
    const fed: Record<string, Tensor> = {};
    const into: Record<string, Tensor> = {};
    names.forEach(({ past, present }, i) => {
      fed[past] = into[present] = tensor(
        "f32",
        [batch, kvHeads, positions, headDim],
        buffers[i]!.subarray(0, batch * slotSize(positions)),
      );
    });
    if (logits.length < rows.length * vocab) logits = new Float32Array(rows.length * vocab);
    const result = logits.subarray(0, rows.length * vocab);
    into["logits"] = tensor("f32", [rows.length, vocab], result);
    await session.run(
      {
        ...fed,
        ...(gating === undefined ? {} : gating.feeds(tensor("f32", [batch, ...gating.shape], gates))),
        tokens: intTensor([batch, time], tokens),
        positions: intTensor([batch, time], places),
        rows: intTensor([rows.length], rows),
        last: intTensor([batch], last),
        total: intTensor([], [total]),
      },
      into,
    );
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
      last: rows.map(({ held, ids }) => held + ids.length - 1),
      total: Math.max(...rows.map(({ held, ids }) => held + ids.length)),
      gates,
    };
  }

  const atLeastRows = (wanted: readonly number[]): readonly number[] =>
    wanted.length >= leastRows ? wanted : [...wanted, wanted[0]!];

  async function prefill(rows: readonly Row[]): Promise<Float32Array> {
    const time = Math.max(leastRows, ...rows.map(({ ids }) => ids.length));
    const size = rows.length * slotSize(time);
    if (staging[0]!.length < size) staging = names.map(() => new Float32Array(size));
    const all = rows.map((_, i) => i);
    const found = await run({ ...stepOf(rows, atLeastRows(all), time), total: time }, staging, time);
    for (const [i, buffer] of staging.entries())
      rows.forEach(({ slot, ids }, row) => {
        copyPositions(at(buffer, row, time), at(bank[i]!, slot, room), ids.length);
      });
    return found;
  }

  function extend(row: Row): Promise<Float32Array> {
    const own = bank.map((buffer) => at(buffer, row.slot, room).data);
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
      for (const buffer of bank) copyPositions(at(buffer, from, room), at(buffer, to, room), held);
    },
    save(slot, positions) {
      const values = bank.map((buffer) => {
        const kept = new Float32Array(slotSize(positions));
        copyPositions(at(buffer, slot, room), { data: kept, room: positions }, positions);
        return kept;
      });
      return { positions, values };
    },
    load(slot, { positions, values }) {
      values.forEach((kept, i) => {
        copyPositions({ data: kept, room: positions }, at(bank[i]!, slot, room), positions);
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
  readonly last: readonly number[];
  readonly total: number;
  readonly gates: Float32Array;
};
