/** @file The order of the rows of q and k that llama.cpp's rotary operator wants for a Llama: each row beside the one it turns with. */

/** Rows of a checkpoint as llama.cpp pairs them: (heads, 2, d/2) → (heads, d/2, 2) of rows of `columns` values. */
export const pairRows = <T extends Rows>(values: T, columns: number, heads: number): T =>
  moveRows(values, columns, heads, (half, i) => (i % half) * 2 + Math.floor(i / half));

/** The reverse of `pairRows`. */
export const unpairRows = <T extends Rows>(values: T, columns: number, heads: number): T =>
  moveRows(values, columns, heads, (half, i) => (i % 2) * half + Math.floor(i / 2));

type Rows = Float32Array | Uint8Array;

function moveRows<T extends Rows>(
  values: T,
  columns: number,
  heads: number,
  to: (half: number, row: number) => number,
): T {
  const out = (values instanceof Uint8Array ? new Uint8Array(values.length) : new Float32Array(values.length)) as T;
  const perHead = values.length / columns / heads;
  for (let head = 0; head < heads; head++)
    for (let row = 0; row < perHead; row++) {
      const from = (head * perHead + row) * columns;
      out.set(values.subarray(from, from + columns), (head * perHead + to(perHead / 2, row)) * columns);
    }
  return out;
}
