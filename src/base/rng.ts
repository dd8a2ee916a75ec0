/** @file Seeded, splittable random numbers (sfc32): the only source of randomness in the project. */

/** A stream of random numbers. `next`, `int`, `normal`, `shuffle`, `pick` and the fills advance it; `split` does not. */
export interface Rng {
  /** Uniform in [0, 1), 53 random bits. */
  next(): number;
  /** Uniform whole number in [0, maxExclusive); `maxExclusive` is at least 1 and at most 2^32. */
  int(maxExclusive: number): number;
  /** Standard normal. */
  normal(): number;
  /** Shuffles in place (Fisher–Yates) and returns the same array. */
  shuffle<T>(array: T[]): T[];
  /** One element of a non-empty array. */
  pick<T>(array: readonly T[]): T;
  /** Fills with normals of standard deviation `std`. */
  fillNormal(out: Float32Array, std: number): Float32Array;
  /** Fills uniformly over [-bound, bound). */
  fillUniform(out: Float32Array, bound: number): Float32Array;
  /**
   * An independent stream named by `label`. It depends on this stream's seed and the label alone, not on how much
   * was drawn: the same label always gives the same stream, so number the labels of repeated use (`step-12`).
   */
  split(label: string): Rng;
}

type Words = readonly [number, number, number, number];

/** The stream of a seed; `1` and `"1"` are the same seed. */
export function createRng(seed: number | string): Rng {
  return seeded(hash128(`seed ${seed}`));
}

function seeded(key: Words): Rng {
  const rng = stream(key, key);
  for (let i = 0; i < 12; i++) rng.int(2 ** 32); // sfc32 mixes its seed for 12 rounds
  return rng;
}

function stream(key: Words, words: Words): Rng {
  let [a, b, c, d] = words;

  function word(): number {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  }
  function next(): number {
    return ((word() >>> 5) * 2 ** 26 + (word() >>> 6)) / 2 ** 53;
  }
  function int(maxExclusive: number): number {
    if (!Number.isInteger(maxExclusive) || maxExclusive < 1 || maxExclusive > 2 ** 32)
      throw new Error(`internal: int(${maxExclusive}) is outside 1..2^32`);
    const n = maxExclusive >>> 0; // as 32 bits, whose remainders are several times as fast; 0 is 2^32
    if (n === 0) return word();
    const limit = 2 ** 32 - ((-n >>> 0) % n); // words beyond it would favour small results
    let value = word();
    while (value >= limit) value = word();
    return value % n;
  }
  // Box–Muller; 1 - u is in (0, 1], so the logarithm is finite.
  const radius = () => Math.sqrt(-2 * Math.log(1 - next()));

  return {
    next,
    int,
    normal: () => radius() * Math.cos(2 * Math.PI * next()),
    shuffle(array) {
      for (let i = array.length - 1; i > 0; i--) {
        const j = int(i + 1);
        const swapped = array[i]!;
        array[i] = array[j]!;
        array[j] = swapped;
      }
      return array;
    },
    pick: (array) => array[int(array.length)]!,
    fillNormal(out, std) {
      for (let i = 0; i < out.length; i += 2) {
        const r = std * radius();
        const angle = 2 * Math.PI * next();
        out[i] = r * Math.cos(angle);
        if (i + 1 < out.length) out[i + 1] = r * Math.sin(angle);
      }
      return out;
    },
    fillUniform(out, bound) {
      for (let i = 0; i < out.length; i++) out[i] = bound * ((word() >>> 8) / 2 ** 23 - 1); // 24 bits: exact in fp32
      return out;
    },
    split: (label) => seeded(hash128(`split ${toHex(key)} ${label}`)),
  };
}

/** 128 bits of a text (cyrb128): spreads seeds and labels, no cryptographic claim. */
function hash128(text: string): Words {
  let [h1, h2, h3, h4] = [1779033703, 3144134277, 1013904242, 2773480762];
  for (let i = 0; i < text.length; i++) {
    const k = text.charCodeAt(i);
    h1 = h2 ^ Math.imul(h1 ^ k, 597399067);
    h2 = h3 ^ Math.imul(h2 ^ k, 2869860233);
    h3 = h4 ^ Math.imul(h3 ^ k, 951274213);
    h4 = h1 ^ Math.imul(h4 ^ k, 2716044179);
  }
  h1 = Math.imul(h3 ^ (h1 >>> 18), 597399067);
  h2 = Math.imul(h4 ^ (h2 >>> 22), 2869860233);
  h3 = Math.imul(h1 ^ (h3 >>> 17), 951274213);
  h4 = Math.imul(h2 ^ (h4 >>> 19), 2716044179);
  h1 ^= h2 ^ h3 ^ h4;
  return [h1, h2 ^ h1, h3 ^ h1, h4 ^ h1];
}

const toHex = (words: Words) => words.map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
