/** @file `--allow-code`: whether programs that a model wrote may be run, to be scored. */
import { Option } from "commander";
import { createCodeRunner, type RunCode } from "../eval/run-code.ts";
import type { CliContext } from "./context.ts";
import { warnOn } from "./output.ts";

export type AllowCodeFlag = { readonly allowCode?: string };

export const allowCodeOption = (): Option =>
  new Option("--allow-code [python]", "run answers that the scorer code-run tests, with this Python").preset("python3");

/** Warns where programs cannot be kept from the network. Throws E_USAGE where there is no Python. */
export async function codeRunnerOf(context: CliContext, { allowCode }: AllowCodeFlag): Promise<RunCode | undefined> {
  if (allowCode === undefined) return undefined;
  const { run, isIsolated } = await createCodeRunner(allowCode);
  if (!isIsolated) warnOn(context)("--allow-code: this system cannot take the network away from programs");
  return run;
}
