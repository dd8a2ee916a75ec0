/** @file `loragen inspect`: explains what lies at a path. */
import type { Command } from "commander";
import type { CliContext } from "../context.ts";
import { inspectPath } from "../inspect/inspect-path.ts";
import { jsonOption } from "../options.ts";
import { type JsonFlag, printResult } from "../output.ts";
import { defaultPair } from "../paths.ts";

const examples = `
Knows pairs, models, generators, specialisations, training runs, PEFT adapters, safetensors and GGUF files.

Examples:
  $ loragen inspect                                 the pair that ships
  $ loragen inspect router                          a specialisation: its gates as a heat map
  $ loragen inspect pairs/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf --json`;

export function addInspect(program: Command, context: CliContext): void {
  program
    .command("inspect")
    .summary("explain a pair, a model, a specialisation, a run, an adapter or a file of weights")
    .description("Explains what lies at a path: sizes, parameters, hashes, gates.")
    .argument("[path]", "a folder or a file; the pair that ships, where none is given")
    .addOption(jsonOption())
    .addHelpText("after", examples)
    .action(async (path: string | undefined, flags: JsonFlag) => {
      const { json, lines } = await inspectPath(path ?? defaultPair());
      printResult(context, flags, json, () => lines(context.colors).join("\n"));
    });
}
