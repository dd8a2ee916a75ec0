/** @file Work on many items, a bounded number of them at once. */

/** Works on the items in order, so many at once. The first failure is the result, when all work under way has ended. */
export async function atOnce<T>(
  items: readonly T[],
  count: number,
  work: (item: T, at: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    while (failures.length === 0 && next < items.length) {
      const at = next++;
      try {
        await work(items[at]!, at);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(count, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
}

/** Works on items as they come, so many at once, and tells the results in the items' order. A failure is told when all work under way has ended. */
export async function* inOrder<T, R>(
  items: AsyncIterable<T> | Iterable<T>,
  count: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R, void> {
  const underWay: Promise<R>[] = [];
  try {
    for await (const item of items) {
      const result = work(item);
      result.catch(() => undefined); // it is told in its turn
      underWay.push(result);
      if (underWay.length >= count) yield await underWay.shift()!;
    }
    while (underWay.length > 0) yield await underWay.shift()!;
  } finally {
    await Promise.allSettled(underWay);
  }
}
