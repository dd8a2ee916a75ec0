/** @file The order of the rows of q and k that llama.cpp's rotary operator wants for a Llama: each row beside the one it turns with. */

/** Rows of a checkpoint as llama.cpp pairs them: (heads, 2, d/2) → (heads, d/2, 2) of rows of `columns` values. */
export const pairRows = (values: Float32Array, columns: number, heads: number): Float32Array =>
  moveRows(values, columns, heads, (half, i) => (i % half) * 2 + Math.floor(i / half));

/** The reverse of `pairRows`. */
export const unpairRows = (values: Float32Array, columns: number, heads: number): Float32Array =>
  moveRows(values, columns, heads, (half, i) => (i % 2) * half + Math.floor(i / 2));

function moveRows(
  values: Float32Array,
  columns: number,
  heads: number,
  to: (half: number, row: number) => number,
): Float32Array {
  const out = new Float32Array(values.length);
  const perHead = values.length / columns / heads;
  for (let head = 0; head < heads; head++)
    for (let row = 0; row < perHead; row++) {
      const from = (head * perHead + row) * columns;
      out.set(values.subarray(from, from + columns), (head * perHead + to(perHead / 2, row)) * columns);
    }
  return out;
}
