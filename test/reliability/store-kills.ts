/**
 * @file Kills a service and a collector of its store while they write, and looks at what is left:
 *
 *     npx tsx test/reliability/store-kills.ts [--count 20] [--seed 1]
 *
 * `loragen serve` of a tiny pair takes updates, rollbacks, other names, removals and certificates of three clients at once, while another
 * process removes the contents that no name has. Both are killed with SIGKILL at a moment drawn by the seed. Then nothing may be damaged,
 * and everything that an answer said to be done has to be there; the next service goes on with the same store. Ends with 1 otherwise.
 */
import { parseArgs } from "node:util";
import { temporaryFolder } from "../../bench/support/temporary-folder.ts";
import { build } from "../support/loragen.ts";
import { killServe } from "../support/serve-kills.ts";

const { values } = parseArgs({
  options: { count: { type: "string", default: "20" }, seed: { type: "string", default: "1" } },
});
build();
await using folder = temporaryFolder("store-kills");
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const kills = Number(values.count);
const { said, certified, collected, amidst, problems } = await killServe({
  kills,
  seed: values.seed,
  folder: folder.path,
  say,
});
for (const problem of problems) say(problem);
say(
  `${kills} kills, ${amidst.serve} amidst a change of the service, ${amidst.collect} amidst a collection: ${said} versions, ${certified} certificates, ${collected} contents collected, ${problems.length} problems`,
);
process.exitCode = problems.length === 0 ? 0 : 1;
