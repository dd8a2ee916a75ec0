/** @file The one way out: all that is written passes a filter, which only this program's own colours and progress bars get through. */
import { randomBytes } from "node:crypto";
import pc from "picocolors";
import { printable } from "./printable.ts";

export type Colors = ReturnType<typeof pc.createColors>;

type Sink = { write(text: string): unknown; readonly columns?: number };

export type OutputStream = {
  /** Writes text from anywhere. */
  write(text: string): unknown;
  /** Writes text as it is: a model's answer into a pipe. */
  writeRaw(text: string): unknown;
  /** What `write` makes of a text. */
  filter(text: string): string;
  readonly columns: number | undefined;
  /** Goes through `write`, and clears the line that the cursor is on. */
  readonly erase: string;
};

export type Terminal = {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  /** For both: plain text where they are off. */
  readonly colors: Colors;
};

/** Own sequences are written with a word in the place of ESC that is drawn anew for every process, so that no text can know it. */
export function createTerminal(sinks: { stdout: Sink; stderr: Sink }, { hasColors }: { hasColors: boolean }): Terminal {
  const mark = `\uFDD0${randomBytes(12).toString("hex")}\uFDD0`;
  const own = (text: string) => text.replaceAll("\x1b", mark);
  const filter = (text: string) => printable(text).replaceAll(mark, "\x1b");
  const output = (sink: Sink): OutputStream => ({
    write: (text) => sink.write(filter(text)),
    writeRaw: (text) => sink.write(text),
    filter,
    get columns() {
      return sink.columns;
    },
    erase: own("\x1b[G\x1b[K"),
  });
  return { stdout: output(sinks.stdout), stderr: output(sinks.stderr), colors: ownColors(hasColors, own) };
}

function ownColors(hasColors: boolean, own: (text: string) => string): Colors {
  const { isColorSupported, ...paints } = pc.createColors(hasColors);
  const paint = (draw: (text: string) => string) => (text: unknown) => own(draw(printable(String(text))));
  const painted = Object.entries(paints).map(([name, draw]) => [name, paint(draw as (text: string) => string)]);
  return { isColorSupported, ...Object.fromEntries(painted) } as Colors;
}
