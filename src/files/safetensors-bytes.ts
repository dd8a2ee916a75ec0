/** @file A safetensors file that is in memory as a whole. */
import { findTensor, headerLength, parseHeader, type SafetensorsFile, toFloats } from "./safetensors-header.ts";

export type SafetensorsBytes = SafetensorsFile & {
  /** A tensor as fp32, in memory of its own. Throws E_FORMAT where there is none of that name, E_DTYPE for fp8. */
  floats(name: string): Float32Array;
};

/** Checks the header. `path` names the file in errors. Throws E_LIMIT, E_DTYPE, or E_FORMAT for what is no safetensors. */
export function parseSafetensors(bytes: Uint8Array, path: string): SafetensorsBytes {
  const headerBytes = headerLength(bytes, bytes.length, path);
  const file = { path, ...parseHeader(bytes.subarray(8, 8 + headerBytes), bytes.length, path) };
  return {
    ...file,
    floats(name) {
      const info = findTensor(file, name);
      const { buffer } = new Uint8Array(bytes.subarray(info.offset, info.offset + info.bytes)); // a copy, also of a Buffer
      return toFloats(path, info, buffer);
    },
  };
}
