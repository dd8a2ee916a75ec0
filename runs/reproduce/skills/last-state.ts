/** @file The last state of a training as a skill of its own: what would be asked without stopping early. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { loadNewest } from "../../../src/files/checkpoint.ts";
import { expertFileName, readExpert, writeExpert } from "../../../src/svf/expert-file.ts";
import { runFolder } from "../../../src/train/run-folder.ts";

/** Of factors as they are (`form` free). Undefined where the run keeps no checkpoint. */
export async function lastState(folder: string): Promise<string | undefined> {
  const last = `${folder}-last`;
  if (existsSync(join(last, expertFileName))) return last;
  const { checkpoints } = runFolder(folder);
  const loaded = existsSync(checkpoints) ? await loadNewest(checkpoints) : undefined;
  if (loaded === undefined) return undefined;
  const { tensors, step } = loaded.checkpoint;
  const best = await readExpert(folder);
  const scales = new Map(
    [...best.scales.keys()].map((weight) => [weight, tensors[`p/${weight.replace(/\.weight$/, ".z")}`]!.data]),
  );
  await writeExpert(join(last, expertFileName), { ...best, scales, madeBy: { ...best.madeBy, state: `step ${step}` } });
  return last;
}
