/** @file A line on stderr for work that cannot say how far it is: what runs, and for how long already. */
import { formatDuration } from "../base/progress.ts";
import type { CliContext } from "./context.ts";

/** Calls `tick` every so many milliseconds until what it returns is called. */
export type Every = (ms: number, tick: () => void) => () => void;

const onTimer: Every = (ms, tick) => {
  const timer = setInterval(tick, ms);
  return () => clearInterval(timer);
};

const tickMs = 1000;
/** Elsewhere than on a terminal a line comes as rarely as those of a progress. */
const lineMs = 60_000;

/** Runs `work`; a terminal's line goes when it is over. What is over within a second goes unmentioned; `what` is asked anew for every line. */
export async function waiting<T>(
  { stderr, isTerminal, now }: Pick<CliContext, "stderr" | "isTerminal" | "now">,
  what: () => string,
  work: () => Promise<T>,
  every: Every = onTimer,
): Promise<T> {
  const from = now();
  let told: number | undefined;
  const stop = every(tickMs, () => {
    const isBar = isTerminal.stderr;
    if (!isBar && told !== undefined && now() - told < lineMs) return;
    const line = `${what()}, ${formatDuration((now() - from) / 1000)} so far`;
    stderr.write(isBar ? `${stderr.erase}${line.slice(0, (stderr.columns ?? 80) - 1)}` : `${line}\n`);
    told = now();
  });
  try {
    return await work();
  } finally {
    stop();
    if (isTerminal.stderr && told !== undefined) stderr.write(stderr.erase);
  }
}
