#!/usr/bin/env node
/** @file The `loragen` command. Loading it takes a second or more, longer on a busy machine: Ctrl-C is answered also then. */
import { setImmediate as nextTurn } from "node:timers/promises";

const stop = (name: NodeJS.Signals): void => {
  process.stderr.write("stopped before it began\n");
  process.exit(name === "SIGTERM" ? 143 : 130); // 128 + the signal's number
};
process.on("SIGINT", stop).on("SIGTERM", stop);
const [{ nodeContext }, { runCli }] = await Promise.all([import("./context.ts"), import("./program.ts")]);
for (let turn = 0; turn < 2; turn++) await nextTurn(); // what came while modules were evaluated is heard by now
process.off("SIGINT", stop).off("SIGTERM", stop);

process.exitCode = await runCli(process.argv.slice(2), nodeContext());
