/** @file A store as a service reads it: a damaged content is the service's fault, and told as one. */
import { tellDamage } from "./damage.ts";
import type { Store } from "./store.ts";

/** Throws E_DATA for what is damaged, else as the store. */
export const servedStore = (store: Store): Store => ({ ...store, read: (object) => tellDamage(store.read(object)) });
