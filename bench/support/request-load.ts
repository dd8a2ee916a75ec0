/** @file Load on a service: so many connections, each of which asks its next question when the last one is answered. */

export type Load = {
  /** In the order of the questions; undefined where one failed. */
  readonly answers: readonly (string | undefined)[];
  readonly errors: number;
  readonly perSecond: number;
};

/** Asks questions 0 to `count` − 1. */
export async function requestLoad(
  count: number,
  connections: number,
  ask: (question: number) => Promise<string>,
): Promise<Load> {
  const answers: (string | undefined)[] = new Array(count);
  let next = 0;
  let errors = 0;
  const from = performance.now();
  const connection = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++)
      try {
        answers[i] = await ask(i);
      } catch {
        errors++;
      }
  };
  await Promise.all(Array.from({ length: connections }, connection));
  return { answers, errors, perSecond: count / ((performance.now() - from) / 1000) };
}
