/** @file A command line's surroundings that remember what was written. */
import { Readable } from "node:stream";
import pc from "picocolors";
import type { CliContext } from "../../src/cli/context.ts";

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
    stdout: writer("stdout"),
    stderr: writer("stderr"),
    isTerminal: { stdin: false, stdout: false, stderr: false },
    colors: pc.createColors(false),
    now: () => performance.now(),
    debug,
    resolveModel: async (name) => name,
  };
  return { context, written };
}
