/** @file Load on a service: so many connections, each of which asks its next question when the last one is answered. */

export type Load<T> = {
  /** In the order of the questions; undefined where one failed. */
  readonly answers: readonly (T | undefined)[];
  readonly errors: number;
  /** How often each was said, and which question it was said to first. */
  readonly errorsBySaying: ReadonlyMap<string, { readonly count: number; readonly first: number }>;
  readonly perSecond: number;
};

/** Asks questions 0 to `count` − 1. */
export async function requestLoad<T>(
  count: number,
  connections: number,
  ask: (question: number) => Promise<T>,
): Promise<Load<T>> {
  const answers: (T | undefined)[] = new Array(count);
  const errorsBySaying = new Map<string, { count: number; first: number }>();
  let next = 0;
  let errors = 0;
  const from = performance.now();
  const connection = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++)
      try {
        answers[i] = await ask(i);
      } catch (error) {
        const said = sayingOf(error);
        const { count: before, first } = errorsBySaying.get(said) ?? { count: 0, first: i };
        errorsBySaying.set(said, { count: before + 1, first });
        errors++;
      }
  };
  await Promise.all(Array.from({ length: connections }, connection));
  return { answers, errors, errorsBySaying, perSecond: count / ((performance.now() - from) / 1000) };
}

/** "fetch failed" says nothing by itself. */
const sayingOf = (error: unknown): string =>
  error instanceof Error && error.cause !== undefined ? `${error.message}: ${String(error.cause)}` : String(error);

/** What went wrong under a load, a line each. */
export function logErrors(
  what: string,
  { errorsBySaying }: Pick<Load<unknown>, "errorsBySaying">,
  log: (line: string) => void,
): void {
  for (const [said, { count, first }] of errorsBySaying)
    log(`${what}: ${count} times, first at question ${first}: ${said}`);
}
