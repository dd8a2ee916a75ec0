/** @file Which tensors of a safetensors file can be a model's weights. */
import { AppError } from "../base/errors.ts";
import type { SafetensorsDtype, TensorInfo } from "../files/safetensors-header.ts";

const readable: readonly SafetensorsDtype[] = ["F32", "F16", "BF16"];

/** Throws E_DTYPE where a tensor's numbers are not of a type that weights have: whole numbers, say, would be read as weights too. */
export function requireFloats(where: string, { name, dtype }: Pick<TensorInfo, "name" | "dtype">): void {
  if (!readable.includes(dtype))
    throw new AppError("E_DTYPE", `${where}: "${name}" should be one of ${readable.join(", ")}, found ${dtype}`);
}

/** Throws E_FORMAT where there is no such tensor, E_SHAPE or E_DTYPE where it does not fit; `where` names the file. */
export function requireWeight<T extends TensorInfo>(
  where: string,
  info: T | undefined,
  name: string,
  shape: readonly number[],
): asserts info is T {
  if (info === undefined)
    throw new AppError("E_FORMAT", `${where}: expected a tensor "${name}" of shape [${shape}], found none`);
  if (String(info.shape) !== String(shape))
    throw new AppError("E_SHAPE", `${where}: "${name}" should be [${shape}], found [${info.shape}]`);
  requireFloats(where, info);
}
