/** @file A process that collects the contents of a store that no name has, over and over, until it is killed: `collect-on.mjs FOLDER`. A line for each time: how many. */
import { setTimeout } from "node:timers/promises";
import { openStore } from "../../dist/server/index.js";

const store = await openStore(process.argv[2]);
for (;;) {
  process.stdout.write(`${(await store.collect()).length}\n`);
  await setTimeout(10); // others write, too
}
