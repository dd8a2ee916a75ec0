/** @file A store as a service reads it: a damaged file of its own is the service's fault, and told as one. */
import { AppError, type ErrorCode } from "../../base/errors.ts";
import type { Store } from "./store.ts";

const damage: ReadonlySet<ErrorCode> = new Set(["E_FORMAT", "E_CONFIG", "E_LIMIT"]);

/** Throws E_DATA for what is damaged, else as the store. */
export function servedStore(store: Store): Store {
  const told =
    <Args extends unknown[], T>(read: (...args: Args) => Promise<T>) =>
    async (...args: Args): Promise<T> => {
      try {
        return await read(...args);
      } catch (error) {
        if (!(error instanceof AppError) || !damage.has(error.code)) throw error;
        throw new AppError("E_DATA", `the store is damaged: ${error.message}`, { cause: error });
      }
    };
  return {
    ...store,
    get: told(store.get),
    resolve: told(store.resolve),
    read: told(store.read),
    findKey: told(store.findKey),
    certificate: told(store.certificate),
  };
}
