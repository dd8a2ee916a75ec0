/** @file A script of this folder as one plain file, so that a test which starts it many times does not pay for translating it. */
import { join, resolve } from "node:path";
import { build } from "vite";

const root = resolve(import.meta.dirname, "../..");

/**
 * Translates `test/support/NAME.ts` and what it imports of this project. Returns the path of a file for `node` alone: half a second
 * to start, where translating it on the way takes two. It lies under `node_modules`, where packages are found from it.
 */
export async function bundle(name: string): Promise<string> {
  const outDir = join(root, "node_modules/.cache/bundled-scripts", name);
  const entry = join(import.meta.dirname, `${name}.ts`);
  await build({ configFile: false, root, logLevel: "error", build: { ssr: entry, outDir, target: "node20" } });
  return join(outDir, `${name}.js`);
}
