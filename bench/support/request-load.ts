/** @file Load on a service: so many connections, each of which asks its next question when the last one is answered. */

export type Load<T> = {
  /** In the order of the questions; undefined where one failed. */
  readonly answers: readonly (T | undefined)[];
  readonly errors: number;
  /** What the first of them said. */
  readonly firstError?: unknown;
  readonly perSecond: number;
};

/** Asks questions 0 to `count` − 1. */
export async function requestLoad<T>(
  count: number,
  connections: number,
  ask: (question: number) => Promise<T>,
): Promise<Load<T>> {
  const answers: (T | undefined)[] = new Array(count);
  let firstError: unknown;
  let next = 0;
  let errors = 0;
  const from = performance.now();
  const connection = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++)
      try {
        answers[i] = await ask(i);
      } catch (error) {
        firstError ??= error;
        errors++;
      }
  };
  await Promise.all(Array.from({ length: connections }, connection));
  return { answers, errors, firstError, perSecond: count / ((performance.now() - from) / 1000) };
}
