/** @file The values of a weight, wherever they lie. */
import { AppError } from "../base/errors.ts";
import { bfloat16ToFloat32, float16ToFloat32 } from "../base/half.ts";
import { withRegularFile } from "../base/read-file.ts";
import type { FileSource, WeightSource, WeightValues } from "./session.ts";

/** Reads fp32 values. Those in memory are returned as they are: do not write to them. Throws E_NOT_FOUND, E_IO, E_FORMAT. */
export async function readWeight(source: WeightSource): Promise<Float32Array> {
  if (source.kind === "file") return widened(source);
  const values = source.kind === "data" ? source.data : await source.read();
  if (!(values instanceof Float32Array)) throw new Error("internal: the weight is not fp32");
  return values;
}

/** What a session needs of a weight, in memory: fp32 where it is stored narrow, its bytes where a file has it as it is. Throws as `readWeight`. */
export async function readValues(source: WeightSource): Promise<WeightValues> {
  if (source.kind === "data") return source.data;
  if (source.kind === "decoded") return source.read();
  return source.storedAs === undefined ? readBytes(source) : widened(source);
}

async function widened(source: FileSource): Promise<Float32Array> {
  const { buffer } = await readBytes(source);
  return source.storedAs === undefined ? new Float32Array(buffer) : widenings[source.storedAs](new Uint16Array(buffer));
}

const widenings = { f16: float16ToFloat32, bf16: bfloat16ToFloat32 } as const;

/** Node reads at most 2 GiB at a time. */
const maxReadBytes = 2 ** 30;

/** A source in a file, as it lies there. Throws E_NOT_FOUND, E_IO, E_FORMAT where the file ends before it does. */
async function readBytes({ path, offset, bytes }: FileSource): Promise<Uint8Array<ArrayBuffer>> {
  return withRegularFile(path, async (file) => {
    const out = new Uint8Array(bytes);
    for (let done = 0; done < bytes; ) {
      const { bytesRead } = await file.read(out, done, Math.min(maxReadBytes, bytes - done), offset + done);
      if (bytesRead === 0)
        throw new AppError("E_FORMAT", `${path}: expected ${bytes} bytes at ${offset}, found ${done}: it was cut off`);
      done += bytesRead;
    }
    return out;
  });
}
