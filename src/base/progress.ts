/** @file Progress of long work: a bar on a terminal, now and then a line elsewhere. No timers: it draws when told. */

export type ProgressFields = Readonly<Record<string, string | number>>;

export interface Progress {
  /** `done` of `total` are finished; `fields` (loss, accuracy, …) are shown behind. */
  update(done: number, fields?: ProgressFields): void;
  /** A line of its own that stays on the screen. */
  note(text: string): void;
  /** Shows the last state and ends the line. Later calls do nothing. */
  finish(): void;
}

export interface ProgressOptions {
  /** Usually stderr, so that results on stdout stay clean. */
  readonly stream: { write(text: string): unknown; readonly columns?: number | undefined; readonly erase?: string };
  readonly isTerminal: boolean;
  readonly total: number;
  readonly label: string;
  /** A clock in milliseconds. */
  readonly now: () => number;
  /** What was done before this process began, so that a resumed run shows its own rate. */
  readonly start?: number;
  /** Lines as JSON objects instead of text; no bar. */
  readonly json?: boolean;
}

const redrawMs = 100;
const linePercent = 5;
const lineMs = 60_000;
const barCells = 24;

interface State {
  readonly done: number;
  readonly fields: ProgressFields;
}

/** Starts the clock; draws nothing before the first update. */
export function createProgress(options: ProgressOptions): Progress {
  const { stream, total, now, start = 0, json = false } = options;
  const isBar = options.isTerminal && !json;
  const { erase = "\r\x1b[K" } = stream; // clears the line
  const startedMs = now();
  let state: State | undefined;
  let drawn: State | undefined;
  let drawnMs = Number.NEGATIVE_INFINITY;
  let isFinished = false;

  function isDue(next: State): boolean {
    if (isBar) return now() - drawnMs >= redrawMs || next.done >= total;
    if (drawn === undefined || now() - drawnMs >= lineMs) return true;
    if (next.done >= total) return drawn.done < total;
    return (
      Math.floor(percentDone(next.done, total) / linePercent) > Math.floor(percentDone(drawn.done, total) / linePercent)
    );
  }

  function draw({ done, fields }: State): void {
    const seconds = (now() - startedMs) / 1000;
    const perSecond = seconds > 0 ? (done - start) / seconds : 0;
    const etaSeconds = perSecond > 0 ? Math.max(0, total - done) / perSecond : undefined;
    const timed = { label: options.label, done, total, perSecond, etaSeconds, seconds };
    if (json) stream.write(`${JSON.stringify({ ...timed, ...fields })}\n`);
    else if (isBar) stream.write(`${erase}${lineOf(timed, fields, true).slice(0, (stream.columns ?? 80) - 1)}`);
    else stream.write(`${lineOf(timed, fields, false)}\n`);
    drawn = { done, fields };
    drawnMs = now();
  }

  return {
    update(done, fields = {}) {
      if (isFinished) return;
      state = { done, fields };
      if (isDue(state)) draw(state);
    },
    note(text) {
      if (json) {
        stream.write(`${JSON.stringify({ label: options.label, note: text })}\n`);
        return;
      }
      const isLineOpen = isBar && drawn !== undefined && !isFinished;
      stream.write(`${isLineOpen ? erase : ""}${text}\n`);
      if (isLineOpen && state !== undefined) draw(state);
    },
    finish() {
      if (isFinished) return;
      isFinished = true;
      if (state === undefined) return;
      if (state.done !== drawn?.done || state.fields !== drawn.fields) draw(state);
      if (isBar) stream.write("\n");
    },
  };
}

const percentDone = (done: number, total: number) =>
  total > 0 ? Math.min(100, Math.max(0, (100 * done) / total)) : 100;

type Timed = {
  readonly label: string;
  readonly done: number;
  readonly total: number;
  readonly perSecond: number;
  /** Undefined as long as there is no rate. */
  readonly etaSeconds: number | undefined;
  readonly seconds: number;
};

/** A state as text: label, bar, share, count, rate, time so far and time left, fields. */
function lineOf({ label, done, total, ...time }: Timed, fields: ProgressFields, withBar: boolean): string {
  const filled = Math.round((percentDone(done, total) / 100) * barCells);
  return [
    label,
    ...(withBar ? ["█".repeat(filled) + "░".repeat(barCells - filled)] : []),
    `${Math.floor(percentDone(done, total))}%`,
    `${done}/${total}`,
    `${formatRate(time.perSecond)}/s`,
    time.etaSeconds === undefined || done >= total
      ? formatDuration(time.seconds)
      : `${formatDuration(time.seconds)} < ${formatDuration(time.etaSeconds)}`,
    ...Object.entries(fields).map(([name, value]) => `${name} ${formatField(value)}`),
  ].join("  ");
}

/** Seconds for people: 8.5 → "8.5s", 62 → "1m02s", 3725 → "1h02m". */
export function formatDuration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  const two = (value: number) => String(value).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`;
}

const formatRate = (rate: number) => (rate >= 100 ? rate.toFixed(0) : String(Number(rate.toPrecision(3))));
const formatField = (value: string | number) =>
  typeof value === "string" || Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
