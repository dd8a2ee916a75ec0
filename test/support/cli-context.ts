/** @file A command line's surroundings that remember what was written. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { CliContext } from "../../src/cli/context.ts";
import { createTerminal } from "../../src/cli/terminal.ts";

/** Without a terminal, without colours. */
export function recordingContext({ stdin = "", debug = false } = {}) {
  const written = { stdout: "", stderr: "" };
  const writer = (name: keyof typeof written) => ({
    write: (text: string) => {
      written[name] += text;
    },
  });
  const context: CliContext = {
    stdin: Readable.from([Buffer.from(stdin)]),
    ...createTerminal({ stdout: writer("stdout"), stderr: writer("stderr") }, { hasColors: false }),
    isTerminal: { stdin: false, stdout: false, stderr: false },
    now: () => performance.now(),
    debug,
    store: join(tmpdir(), "store"),
    resolveModel: async (name) => name,
  };
  return { context, written };
}
