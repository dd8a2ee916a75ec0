/** @file Text up to a stop string: what might become one is held back until that is decided. */
import { AppError } from "../base/errors.ts";

export type StopFilter = {
  /** Takes more text and returns what may be shown now. After a stop string was found nothing more comes out. */
  push(text: string): string;
  /** Returns what was held back and turned out to be no stop string. */
  flush(): string;
  readonly stopped: boolean;
};

/** The pieces together are the text before the first stop string. Throws E_USAGE for an empty one. */
export function createStopFilter(stopStrings: readonly string[]): StopFilter {
  if (stopStrings.includes("")) throw new AppError("E_USAGE", "stop string: expected text, found none");
  let held = "";
  let stopped = false;
  return {
    push(text) {
      if (stopped) return "";
      held += text;
      const starts = stopStrings.map((stop) => held.indexOf(stop)).filter((at) => at >= 0);
      stopped = starts.length > 0;
      const end = stopped
        ? Math.min(...starts)
        : held.length - Math.max(0, ...stopStrings.map((stop) => begun(held, stop)));
      const shown = held.slice(0, end);
      held = stopped ? "" : held.slice(end);
      return shown;
    },
    flush() {
      const rest = held;
      held = "";
      return rest;
    },
    get stopped() {
      return stopped;
    },
  };
}

/** How many characters at the end of `text` are the beginning of `stop`. */
function begun(text: string, stop: string): number {
  let length = Math.min(text.length, stop.length - 1);
  while (length > 0 && !text.endsWith(stop.slice(0, length))) length--;
  return length;
}
