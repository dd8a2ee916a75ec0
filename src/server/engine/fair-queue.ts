/** @file Who is next: tenants share what there is by what their requests cost, however many of them one tenant sends. */

export type FairQueue<Item> = {
  readonly size: number;
  sizeOf(tenant: string): number;
  /**
   * @param cost what it will take, in any unit above 0
   * @param isFirst whether it goes before what the tenant waits for already
   */
  push(item: Item, tenant: string, cost: number, isFirst?: boolean): void;
  /** The item that is next, left where it is. */
  peek(): Item | undefined;
  /** Takes it out. */
  take(): Item | undefined;
  /** Counts what a tenant is given beside what it waits for. */
  charge(tenant: string, cost: number): void;
  /** Whether another tenant waits that has had less. */
  isOwed(tenant: string): boolean;
  /** Takes out what fits. */
  remove(fits: (item: Item) => boolean): Item[];
};

type Tenant<Item> = {
  waiting: { readonly item: Item; readonly cost: number }[];
  /** The virtual time at which what it was given so far is paid for. */
  paidUntil: number;
};

/** Start-time fair queueing (Goyal, Vin, Cheng 1996): the tenant that has had least goes first; one that was away has saved nothing up. */
export function createFairQueue<Item>(): FairQueue<Item> {
  const tenants = new Map<string, Tenant<Item>>();
  let now = 0;
  let size = 0;

  function next(): Tenant<Item> | undefined {
    let best: Tenant<Item> | undefined;
    for (const tenant of tenants.values())
      if (tenant.waiting.length > 0 && (best === undefined || tenant.paidUntil < best.paidUntil)) best = tenant;
    return best;
  }

  function tenantOf(name: string): Tenant<Item> {
    const tenant = tenants.get(name) ?? { waiting: [], paidUntil: 0 };
    if (tenant.waiting.length === 0) tenant.paidUntil = Math.max(tenant.paidUntil, now);
    tenants.set(name, tenant);
    return tenant;
  }

  return {
    get size() {
      return size;
    },
    sizeOf: (name) => tenants.get(name)?.waiting.length ?? 0,
    push(item, name, cost, isFirst = false) {
      tenantOf(name).waiting[isFirst ? "unshift" : "push"]({ item, cost });
      size++;
    },
    charge(name, cost) {
      const tenant = tenantOf(name);
      now = Math.max(now, tenant.paidUntil);
      tenant.paidUntil += cost;
    },
    isOwed(name) {
      const first = next();
      return first !== undefined && first.paidUntil < (tenants.get(name)?.paidUntil ?? now);
    },
    peek: () => next()?.waiting[0]?.item,
    take() {
      const tenant = next();
      const first = tenant?.waiting.shift();
      if (tenant === undefined || first === undefined) return undefined;
      now = Math.max(now, tenant.paidUntil);
      tenant.paidUntil += first.cost;
      size--;
      for (const [name, { waiting, paidUntil }] of tenants)
        if (waiting.length === 0 && paidUntil <= now) tenants.delete(name);
      return first.item;
    },
    remove(fits) {
      const removed: Item[] = [];
      for (const tenant of tenants.values())
        tenant.waiting = tenant.waiting.filter(({ item }) => {
          if (!fits(item)) return true;
          removed.push(item);
          return false;
        });
      size -= removed.length;
      return removed;
    },
  };
}
