/**
 * @file Loaded before a command (`node --import`): counts its renames, and at one of them ends it as SIGKILL does. `KILL_AT_RENAME` is
 * "INDEX before", "INDEX during" or "INDEX after", INDEX from 1; else the number of renames goes to the file `COUNT_RENAMES`.
 */
import { promises, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const [index, moment] = (process.env.KILL_AT_RENAME ?? "").split(" ");
const { rename } = promises;
const die = () => process.kill(process.pid, "SIGKILL");
let count = 0;

promises.rename = async (from, to) => {
  const isIt = ++count === Number(index);
  if (process.env.COUNT_RENAMES) writeFileSync(process.env.COUNT_RENAMES, String(count));
  if (isIt && moment === "before") die();
  const renamed = rename(from, to);
  if (isIt && moment === "during") die();
  await renamed;
  if (isIt) die();
};
syncBuiltinESMExports();
