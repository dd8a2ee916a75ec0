#!/usr/bin/env node
/** @file The `loragen` command. Loading it takes a second or more, longer on a busy machine: Ctrl-C is answered also then. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { exitStatus, onInterrupt } from "../base/interrupt.ts";

const loading = onInterrupt((name) => {
  process.stderr.write("stopped before it began\n");
  process.exit(exitStatus(name));
});
const [{ nodeContext }, { loadCommands, runCli }] = await Promise.all([import("./context.ts"), import("./program.ts")]);
await loadCommands(process.argv[2]);
for (let turn = 0; turn < 2; turn++) await nextTurn(); // what came while modules were evaluated is heard by now
loading.close();

process.exitCode = await runCli(process.argv.slice(2), nodeContext());
