/** @file fp16 and bf16 ↔ fp32 on typed arrays; to the narrow type by rounding to nearest, ties to even. */

/** fp16 bit patterns → fp32, exactly. */
export function float16ToFloat32(half: Uint16Array, out = new Float32Array(half.length)): Float32Array {
  const bits = bitsOf(out);
  for (let i = 0; i < half.length; i++) {
    const h = half[i]!;
    const sign = (h & 0x8000) << 16;
    const exponent = h & 0x7c00;
    const mantissa = h & 0x03ff;
    if (exponent === 0x7c00) bits[i] = sign | 0x7f800000 | (mantissa << 13);
    else if (exponent !== 0) bits[i] = sign | (((h & 0x7fff) << 13) + 0x38000000);
    else if (mantissa === 0) bits[i] = sign;
    else {
      // Subnormal: mantissa · 2^-24, normal in fp32. `shift` moves its leading one to bit 10.
      const shift = Math.clz32(mantissa) - 21;
      bits[i] = sign | ((113 - shift) << 23) | (((mantissa << shift) & 0x03ff) << 13);
    }
  }
  return out;
}

/** fp32 → fp16 bit patterns; beyond 65504 (rounded) to infinity, NaN to a quiet NaN. */
export function float32ToFloat16(floats: Float32Array, out = new Uint16Array(floats.length)): Uint16Array {
  const bits = bitsOf(floats);
  for (let i = 0; i < bits.length; i++) {
    const x = bits[i]!;
    const sign = (x >>> 16) & 0x8000;
    const abs = x & 0x7fffffff;
    if (abs >= 0x38800000 && abs < 0x477ff000) {
      out[i] = sign | ((abs - 0x38000000 + 0x0fff + ((abs >>> 13) & 1)) >>> 13);
    } else if (abs >= 0x477ff000) {
      out[i] = abs > 0x7f800000 ? sign | 0x7e00 | ((abs >>> 13) & 0x03ff) : sign | 0x7c00;
    } else {
      // Below 2^-14: a multiple of 2^-24. At `shift` 24 only rounding can leave something, beyond it nothing does.
      const shift = 126 - (abs >>> 23);
      if (shift > 24) {
        out[i] = sign;
        continue;
      }
      const mantissa = (abs & 0x007fffff) | 0x00800000;
      const kept = mantissa >>> shift;
      const rest = mantissa & ((1 << shift) - 1);
      const tie = 1 << (shift - 1);
      out[i] = sign | (kept + (rest > tie || (rest === tie && (kept & 1) === 1) ? 1 : 0));
    }
  }
  return out;
}

/** bf16 bit patterns → fp32, exactly. */
export function bfloat16ToFloat32(half: Uint16Array, out = new Float32Array(half.length)): Float32Array {
  const bits = bitsOf(out);
  for (let i = 0; i < half.length; i++) bits[i] = half[i]! << 16;
  return out;
}

/** fp32 → bf16 bit patterns; NaN to a quiet NaN. */
export function float32ToBfloat16(floats: Float32Array, out = new Uint16Array(floats.length)): Uint16Array {
  const bits = bitsOf(floats);
  for (let i = 0; i < bits.length; i++) {
    const x = bits[i]!;
    out[i] = (x & 0x7fffffff) > 0x7f800000 ? (x >>> 16) | 0x0040 : (x + 0x7fff + ((x >>> 16) & 1)) >>> 16;
  }
  return out;
}

const bitsOf = (floats: Float32Array) => new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
