/** @file The values of a weight, wherever they lie. */
import { open } from "node:fs/promises";
import { AppError } from "../base/errors.ts";
import { ioError } from "../base/io-error.ts";
import type { WeightSource } from "./session.ts";

/** Reads fp32 values. Those in memory are returned as they are: do not write to them. */
export async function readWeight(source: WeightSource): Promise<Float32Array> {
  if (source.kind === "data") {
    if (!(source.data instanceof Float32Array)) throw new Error("internal: the weight is not fp32");
    return source.data;
  }
  const bytes = new Uint8Array(source.bytes);
  try {
    await using file = await open(source.path);
    const { bytesRead } = await file.read(bytes, 0, source.bytes, source.offset);
    if (bytesRead !== source.bytes)
      throw new AppError(
        "E_FORMAT",
        `${source.path}: expected ${source.bytes} bytes at ${source.offset}, found ${bytesRead}`,
      );
  } catch (error) {
    throw error instanceof AppError ? error : ioError(error, "read", source.path);
  }
  return new Float32Array(bytes.buffer);
}
