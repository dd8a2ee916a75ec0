/**
 * @file Loaded before a service (`node --import`): answers each message of the process that started it with its memory, in bytes. `live` is
 * the heap as its last full collection left it: what is used beside that is garbage which V8 has not collected yet.
 */
import { constants, PerformanceObserver } from "node:perf_hooks";

let live = null;
new PerformanceObserver((list) => {
  const isFull = list.getEntries().some(({ detail }) => detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR);
  if (isFull) live = process.memoryUsage().heapUsed;
}).observe({ entryTypes: ["gc"] });
process.on("message", () => process.send?.({ ...process.memoryUsage(), live }));
process.channel?.unref(); // it keeps nobody from ending
