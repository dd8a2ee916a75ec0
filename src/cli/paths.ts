/** @file Where the package lies, and what ships with it. */
import { join, resolve } from "node:path";

/** The folder of package.json, seen from `src/cli` and from `dist/cli`. */
export const packageRoot = (): string => resolve(import.meta.dirname, "../..");

/** The pair that ships with lora-gen. */
export const defaultPair = (): string => join(packageRoot(), "pairs", "smollm2");
