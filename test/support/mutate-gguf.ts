/** @file Seeded damage to GGUF files: noise anywhere, or hostile words in the header, where counts, lengths, types and offsets lie. */
import type { Rng } from "../../src/base/rng.ts";
import { mutate } from "./mutate.ts";

/** A mutator for files whose header ends at `headerBytes`. */
export const mutateGguf =
  (headerBytes: number) =>
  (bytes: Uint8Array, rng: Rng): Uint8Array => {
    if (rng.int(3) === 0) return mutate(bytes, rng);
    const out = Buffer.from(bytes);
    for (let i = 0; i <= rng.int(2); i++) {
      const at = rng.int(4) === 0 ? 4 * rng.int(6) : rng.int(headerBytes - 8);
      const near = BigInt(Math.max(0, out.readUInt32LE(at) + rng.int(9) - 4));
      if (rng.int(2) === 0) out.writeUInt32LE(Number(rng.pick([near, 0n, 1n, 9n, 32n, 2n ** 31n]) & 0xffffffffn), at);
      else out.writeBigUInt64LE(rng.pick([near, 2n ** 20n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]), at);
    }
    return out;
  };
