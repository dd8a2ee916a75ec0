/** @file Questions under way on another host: so many at once, of all tenants and of one, and no more once the service ends. */
import { AppError } from "../base/errors.ts";

export type UnderWay = {
  /** Does the work and counts it meanwhile. Throws E_BUSY where too much is under way, or none is taken any more; else as `work`. */
  run<T>(tenant: string, work: () => Promise<T>): Promise<T>;
  /** Takes no more work, and resolves when the last is done. */
  close(): Promise<void>;
};

export function createUnderWay(limits: { readonly all: number; readonly ofTenant: number }): UnderWay {
  const tenants = new Map<string, number>();
  const running = new Set<Promise<unknown>>();
  let isEnding = false;
  return {
    async run(tenant, work) {
      if (isEnding) throw new AppError("E_BUSY", "the service is ending: it takes no more requests");
      const own = tenants.get(tenant) ?? 0;
      if (running.size >= limits.all || own >= limits.ofTenant)
        throw new AppError("E_BUSY", `${running.size} requests are with the other host already: ask again later`);
      const result = work();
      running.add(result);
      tenants.set(tenant, own + 1);
      try {
        return await result;
      } finally {
        running.delete(result);
        const left = tenants.get(tenant)! - 1;
        if (left === 0) tenants.delete(tenant);
        else tenants.set(tenant, left);
      }
    },
    async close() {
      isEnding = true;
      await Promise.allSettled(running);
    },
  };
}
