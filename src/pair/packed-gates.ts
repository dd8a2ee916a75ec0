/** @file Gates in few bytes: of every layer the experts in use, each with its gate in fp16. */

import { decodeBase64, encodeBase64 } from "../base/base64.ts";
import { AppError } from "../base/errors.ts";
import { float16ToFloat32, float32ToFloat16 } from "../base/half.ts";

/** Largest gate a file holds, to either side. */
export const maxGate = 1e3;

/**
 * Per layer: how many experts are in use (a byte, or two, low byte first, for 256 experts and more), their numbers in the same width and in ascending order (none
 * where all are in use), then their gates in fp16. Base64. Gates are rounded to fp16; what rounds to 0 is not in use.
 */
export function packGates(gates: readonly (readonly number[])[], experts: number): string {
  const bytes: number[] = [];
  const put = (value: number) => (experts < 256 ? bytes.push(value) : bytes.push(value & 255, value >> 8));
  for (const row of gates) {
    const halves = float32ToFloat16(Float32Array.from(row));
    const used = [...halves.keys()].filter((expert) => (halves[expert]! & 0x7fff) !== 0);
    put(used.length);
    if (used.length < experts) for (const expert of used) put(expert);
    for (const expert of used) bytes.push(halves[expert]! & 255, halves[expert]! >> 8);
  }
  return encodeBase64(Uint8Array.from(bytes));
}

type Shape = { readonly layers: number; readonly experts: number; readonly topK: number };

/** Rows of `experts` gates. Throws E_FORMAT. `what` names the file in errors. */
export function unpackGates(packed: string, { layers, experts, topK }: Shape, what: string): number[][] {
  const refuse = (found: string): never => {
    throw new AppError("E_FORMAT", `${what}: gates: expected packed gates of ${layers} layers, found ${found}`);
  };
  const bytes = decodeBase64(packed) ?? refuse("no base64");
  const width = experts < 256 ? 1 : 2;
  let at = 0;
  const take = (size: 1 | 2): number => {
    if (at + size > bytes.length) refuse(`${bytes.length} bytes, which end too early`);
    const value = size === 1 ? bytes[at]! : bytes[at]! | (bytes[at + 1]! << 8);
    at += size;
    return value;
  };
  const rows = Array.from({ length: layers }, (_, layer) => {
    const row = new Array<number>(experts).fill(0);
    const count = take(width);
    if (count > topK) refuse(`${count} gates in layer ${layer}, more than ${topK}`);
    const used = Array.from({ length: count }, (_, i) => (count === experts ? i : take(width)));
    if (used.some((expert, i) => expert >= experts || (i > 0 && expert <= used[i - 1]!)))
      refuse(`experts ${used.join(", ")} of ${experts} in layer ${layer}`);
    const halves = Uint16Array.from(used, () => take(2));
    float16ToFloat32(halves).forEach((gate, i) => {
      if (!(Math.abs(gate) <= maxGate) || gate === 0) refuse(`a gate of ${gate} in layer ${layer}`);
      row[used[i]!] = gate;
    });
    return row;
  });
  if (at !== bytes.length) refuse(`${bytes.length - at} bytes behind them`);
  return rows;
}
