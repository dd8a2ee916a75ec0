/** @file The values of a weight, wherever they lie. */
import { AppError } from "../base/errors.ts";
import { bfloat16ToFloat32, float16ToFloat32 } from "../base/half.ts";
import { withRegularFile } from "../base/read-file.ts";
import type { WeightSource } from "./session.ts";

/** Node reads at most 2 GiB at a time. */
const maxReadBytes = 2 ** 30;

/** Reads fp32 values. Those in memory are returned as they are: do not write to them. */
export async function readWeight(source: WeightSource): Promise<Float32Array> {
  if (source.kind === "data") {
    if (!(source.data instanceof Float32Array)) throw new Error("internal: the weight is not fp32");
    return source.data;
  }
  const bytes = new Uint8Array(source.bytes);
  await withRegularFile(source.path, async (file) => {
    for (let done = 0; done < source.bytes; ) {
      const length = Math.min(maxReadBytes, source.bytes - done);
      const { bytesRead } = await file.read(bytes, done, length, source.offset + done);
      if (bytesRead === 0)
        throw new AppError(
          "E_FORMAT",
          `${source.path}: expected ${source.bytes} bytes at ${source.offset}, found ${done}`,
        );
      done += bytesRead;
    }
  });
  const widen = source.storedAs === undefined ? undefined : widenings[source.storedAs];
  return widen === undefined ? new Float32Array(bytes.buffer) : widen(new Uint16Array(bytes.buffer));
}

const widenings = { f16: float16ToFloat32, bf16: bfloat16ToFloat32 } as const;
