/** @file Work on many items, a bounded number of them at once. */

/** Works on the items in order, so many at once. The first failure is the result, when all work under way has ended. */
export async function atOnce<T>(
  items: readonly T[],
  count: number,
  work: (item: T, at: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    try {
      while (next < items.length) {
        const at = next++;
        await work(items[at]!, at);
      }
    } finally {
      next = items.length;
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(count, items.length) }, worker));
  const failed = ends.find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}
