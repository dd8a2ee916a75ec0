/** @file A process that makes a page as `npm run reproduce` does, and kills itself at the Nth time that it says how far it is: `… CONTEXT ID FOLDER N`. */
import { reproduce } from "../../runs/reproduce/reproduce.ts";
import type { Context } from "../../runs/reproduce/row.ts";
import { parseId } from "../../runs/reproduce/table.ts";

const [context, id, folder, told] = process.argv.slice(2);
let left = Number(told);
await reproduce(
  parseId(id!),
  {
    ...(JSON.parse(context!) as Context),
    tell: () => void (--left === 0 && process.kill(process.pid, "SIGKILL")),
  },
  folder!,
);
