/** @file Work under way on another host: so many at once, of all tenants and of one, and no more once the service ends. */
import { AppError } from "../base/errors.ts";
import { createPlaces, type PlaceLimits } from "./places.ts";

export type UnderWay = {
  /** Does the work and counts it meanwhile. Throws E_BUSY where too much is under way, or none is taken any more; else as `work`. */
  run<T>(tenant: string, work: () => Promise<T>): Promise<T>;
  /** Takes no more work, and resolves when the last is done. */
  close(): Promise<void>;
};

/** @param what is under way, for messages: "questions with the other host" */
export function createUnderWay(what: string, limits: PlaceLimits): UnderWay {
  const take = createPlaces(what, limits);
  const running = new Set<Promise<unknown>>();
  let isEnding = false;
  return {
    async run(tenant, work) {
      if (isEnding) throw new AppError("E_BUSY", "the service is ending: it takes no more requests");
      const leave = take(tenant);
      const result = (async () => work())(); // what it throws at once rejects too
      running.add(result);
      try {
        return await result;
      } finally {
        running.delete(result);
        leave();
      }
    },
    async close() {
      isEnding = true;
      await Promise.allSettled(running);
    },
  };
}
