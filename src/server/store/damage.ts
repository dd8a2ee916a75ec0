/** @file Tells a damaged file from a storage that does not answer. */
import { AppError } from "../../base/errors.ts";

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
