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
