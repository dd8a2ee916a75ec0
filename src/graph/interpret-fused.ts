/** @file Reference values of the larger fused operators: attention over a cache, block-quantised weights. */
import { numbersOf, type Tensor } from "./tensor.ts";
import type { OpParams } from "./types.ts";

/** Where the new tokens of each row go: the first one's position, and the row's last position. */
function positionsOf([q, , , , , last, total]: readonly Tensor[]): { first: number; last: number }[] {
  const time = q!.shape[1]!;
  const isPrompt = time === Number(total!.data[0]); // all positions are new: rows shorter than the longest are padded
  return numbersOf(last!).map((end) => ({ first: isPrompt ? 0 : end - time + 1, last: end }));
}

/** The cache (b, kvHeads, capacity, d) with the new tokens appended. What lies behind them has no meaning and is zero here. */
export function presentCache(inputs: readonly Tensor[], part: "key" | "value"): Float64Array {
  const [fresh, past] = part === "key" ? [inputs[1]!, inputs[3]!] : [inputs[2]!, inputs[4]!];
  const [, heads, capacity, width] = past.shape as [number, number, number, number];
  const time = fresh.shape[1]!;
  const out = new Float64Array(past.data.length);
  positionsOf(inputs).forEach(({ first }, b) => {
    for (let h = 0; h < heads; h++) {
      const row = (b * heads + h) * capacity * width;
      out.set((past.data as Float64Array).subarray(row, row + first * width), row);
      for (let t = 0; t < time; t++) {
        const from = ((b * time + t) * heads + h) * width;
        out.set((fresh.data as Float64Array).subarray(from, from + width), row + (first + t) * width);
      }
    }
  });
  return out;
}

/** Causal attention of the new tokens over the cache. A window w > 0 leaves the last w positions, the token itself among them. */
export function attend(inputs: readonly Tensor[], params: OpParams["cachedAttention"]): Float64Array {
  const { heads, kvHeads, scale, window, cap } = params;
  const [keys, values] = [presentCache(inputs, "key"), presentCache(inputs, "value")];
  const [q, , , past] = inputs as [Tensor, Tensor, Tensor, Tensor];
  const time = q.shape[1]!;
  const [, , capacity, width] = past.shape as [number, number, number, number];
  const queries = q.data as Float64Array;
  const out = new Float64Array(queries.length);
  positionsOf(inputs).forEach(({ first, last }, b) => {
    for (let t = 0; t < time; t++)
      for (let h = 0; h < heads; h++) {
        const query = ((b * time + t) * heads + h) * width;
        const cache = (b * kvHeads + Math.floor((h * kvHeads) / heads)) * capacity * width;
        const end = Math.min(first + t, last);
        const start = window > 0 ? Math.max(0, end - window + 1) : 0;
        const dot = (p: number): number => {
          let total = 0;
          for (let i = 0; i < width; i++) total += queries[query + i]! * keys[cache + p * width + i]!;
          return cap > 0 ? cap * Math.tanh((total * scale) / cap) : total * scale;
        };
        const scores = Array.from({ length: end - start + 1 }, (_, i) => dot(start + i));
        const top = Math.max(...scores);
        const shares = scores.map((score) => Math.exp(score - top));
        const total = shares.reduce((a, b) => a + b, 0);
        shares.forEach((share, i) => {
          for (let j = 0; j < width; j++) out[query + j]! += (share / total) * values[cache + (start + i) * width + j]!;
        });
      }
  });
  return out;
}

/** The weight (n, k) of MatMulNBits: (code − zero point) · scale, blocks along k, 4-bit codes low nibble first. */
export function dequantized(inputs: readonly Tensor[], params: OpParams["dequantize"]): Float64Array {
  const [packed, scales, zeroPoints] = inputs as [Tensor, Tensor, Tensor | undefined];
  const { n, k, bits, blockSize } = params;
  const blocks = Math.ceil(k / blockSize);
  const codeAt = (data: Tensor, row: number, rowLength: number, i: number): number => {
    const bytes = data.data as Uint8Array;
    if (bits === 8) return bytes[row * rowLength + i]!;
    return (bytes[row * rowLength + (i >> 1)]! >> (i % 2 === 0 ? 0 : 4)) & 15;
  };
  const rowBytes = (blocks * blockSize * bits) / 8;
  const zeroBytes = Math.ceil((blocks * bits) / 8);
  const out = new Float64Array(n * k);
  for (let row = 0; row < n; row++)
    for (let i = 0; i < k; i++) {
      const block = Math.floor(i / blockSize);
      const zero = zeroPoints === undefined ? 2 ** (bits - 1) : codeAt(zeroPoints, row, zeroBytes, block);
      const code = codeAt(packed, row, rowBytes, i);
      out[row * k + i] = (code - zero) * (scales.data[row * blocks + block] as number);
    }
  return out;
}
