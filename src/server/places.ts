/** @file Places for what waits or is under way: so many, of all tenants and of one. */
import { AppError } from "../base/errors.ts";

export type PlaceLimits = { readonly all: number; readonly ofTenant: number };

/** Takes a place of a tenant, and returns how it is given back; a second time does nothing. Throws E_BUSY where none is left. */
type TakePlace = (tenant: string) => () => void;

/** @param what has the places, for messages: "prompts for the cloud model" */
export function createPlaces(what: string, limits: PlaceLimits): TakePlace {
  const tenants = new Map<string, number>();
  let all = 0;
  const full = (most: string) =>
    new AppError("E_BUSY", `${what}: expected at most ${most}, and so many are there already: ask again later`);
  return (tenant) => {
    const own = tenants.get(tenant) ?? 0;
    if (own >= limits.ofTenant) throw full(`${limits.ofTenant} of one tenant`);
    if (all >= limits.all) throw full(`${limits.all}`);
    tenants.set(tenant, own + 1);
    all++;
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      const left = tenants.get(tenant)! - 1;
      if (left === 0) tenants.delete(tenant);
      else tenants.set(tenant, left);
      all--;
    };
  };
}
