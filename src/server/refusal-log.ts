/**
 * @file The log of requests that strangers were turned away with (no known key, a page of another site, an unknown
 * address): as many lines as tell of it, not as many as a stranger likes.
 */
import type { LogLine } from "./services.ts";

export const refusalLimits = { linesPerMinute: 60 } as const;

/**
 * Passes on so many lines a minute; the next one that is passed on says how many were left out. Of an address it tells a part, without what looks
 * like a key. `now`: a clock in milliseconds.
 */
export function limitRefusals(
  log: (line: LogLine) => void,
  now: () => number,
  { linesPerMinute }: { readonly linesPerMinute: number } = refusalLimits,
): (line: LogLine) => void {
  let left = linesPerMinute;
  let at = now();
  let leftOut = 0;
  return (line) => {
    const time = now();
    left = Math.min(linesPerMinute, left + ((time - at) / 60_000) * linesPerMinute);
    at = time;
    if (left < 1) {
      leftOut++;
      return;
    }
    left--;
    const { path } = line;
    log({ ...line, ...(path === undefined ? {} : { path: shown(path) }), ...(leftOut === 0 ? {} : { leftOut }) });
    leftOut = 0;
  };
}

const shownLength = 100;

const shown = (path: string): string => path.replace(/lg-[\w-]+/g, "lg-…").slice(0, shownLength);
