/** @file Tells a damaged file from a storage that does not answer. */
import { AppError, type ErrorCode } from "../../base/errors.ts";

/** A file that is not what it should be; not a storage that did not answer. */
export const isDamage = (error: unknown): boolean => error instanceof AppError && error.code !== "E_IO";

/** Whether the reading fails for what is read. Throws where the storage does not answer. */
export const isDamaged = (reading: Promise<unknown>): Promise<boolean> =>
  reading.then(
    () => false,
    (error: unknown) => {
      if (isDamage(error)) return true;
      throw error;
    },
  );

const unreadable: ReadonlySet<ErrorCode> = new Set(["E_FORMAT", "E_CONFIG", "E_LIMIT"]);

/** Throws E_DATA for a file of the store that cannot be read: whoever asked for it is not at fault. */
export async function tellDamage<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (!(error instanceof AppError) || !unreadable.has(error.code)) throw error;
    throw new AppError("E_DATA", `the store is damaged: ${error.message}`, { cause: error });
  }
}
