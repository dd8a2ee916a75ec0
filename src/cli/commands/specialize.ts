/** @file `loragen specialize`: a system prompt to a specialisation file. */
import { type Command, Option } from "commander";
import { assembleLora } from "../../pair/merge.ts";
import { loadPair } from "../../pair/pair-file.ts";
import type { Specialization } from "../../pair/specialization-file.ts";
import { createSpecializer } from "../../pair/specialize.ts";
import { type TruncateMode, truncateModes } from "../../text/truncate-prompt.ts";
import type { CliContext } from "../context.ts";
import { formatBytes, formatMs, plural, shortHash } from "../format.ts";
import { heatMap } from "../heat-map.ts";
import {
  type ExactFlag,
  exactOption,
  jsonOption,
  type PairFlags,
  type PromptFlags,
  pairOptions,
  promptOptions,
  type QuantizeFlag,
  quantizationOf,
  quantizeOption,
  readPrompt,
  required,
} from "../options.ts";
import { type JsonFlag, printResult, warnOn } from "../output.ts";
import { replaceSpecialization } from "../replace-specialization.ts";
import type { Colors } from "../terminal.ts";

type Flags = PairFlags &
  PromptFlags &
  JsonFlag &
  QuantizeFlag &
  ExactFlag & { readonly out?: string; readonly truncate?: TruncateMode };

const examples = `
Examples:
  $ loragen specialize --prompt "Classify the sentiment. Answer positive or negative." --out sentiment
  $ loragen specialize --prompt-file router.txt --out router --json
  $ loragen run --specialization sentiment --input "what a lovely day"`;

export function addSpecialize(program: Command, context: CliContext): void {
  const command = program
    .command("specialize")
    .summary("turn a system prompt into a specialisation of a few hundred bytes")
    .description(
      "Reads a system prompt with the cloud model, once, and writes the gates it answers with: DIR/specialization.json.",
    )
    .option(
      "--out <dir>",
      "required: folder for the specialisation; made if it is not there, an earlier one in it is replaced, saying so",
    )
    .addOption(
      new Option("--truncate [where]", "shorten a prompt that is longer than the cloud model's context")
        .choices(truncateModes)
        .preset("middle"),
    );
  for (const option of [
    ...promptOptions(),
    ...pairOptions(),
    quantizeOption("cloud model"),
    exactOption(),
    jsonOption(),
  ])
    command.addOption(option);
  command.addHelpText("after", examples).action((flags: Flags) => specializeCommand(context, flags));
}

type Timed = {
  readonly gates: Specialization["gates"];
  readonly topK: number;
  readonly layers: number;
  readonly experts: number;
  readonly promptTokens: number;
  readonly promptSha256: string;
  readonly truncated: boolean;
  /** Where the cloud model is quantised. */
  readonly cloudQuantization: Specialization["cloudQuantization"];
  readonly bytes: number;
  readonly ms: { readonly load: number; readonly cloud: number; readonly assemble: number };
  readonly file: string;
};

async function specializeCommand(context: CliContext, flags: Flags): Promise<void> {
  const out = required(flags.out, "specialize", "--out DIR");
  const prompt = required(await readPrompt(context, flags), "specialize", "--prompt TEXT or --prompt-file FILE");
  const from = context.now();
  const pair = await loadPair(flags.pair, {
    quantize: { cloud: quantizationOf(flags) },
    exact: flags.exact,
    resolveModel: context.resolveModel,
    warn: warnOn(context),
  });
  await using specializer = await createSpecializer(pair, flags);
  const loaded = context.now();
  const specialization = await specializer.specialize(prompt, { truncate: flags.truncate ?? false });
  const { gates, topK, layers, experts, promptTokens, promptSha256, truncated, cloudQuantization } = specialization;
  const routed = context.now();
  assembleLora(pair, specialization);
  const assembled = context.now();
  const { file, bytes } = await replaceSpecialization(context, out, specialization);
  const ms = { load: loaded - from, cloud: specialization.ms?.cloud ?? routed - loaded, assemble: assembled - routed };
  const result = {
    gates,
    topK,
    layers,
    experts,
    promptTokens,
    promptSha256,
    truncated,
    cloudQuantization,
    bytes,
    ms,
    file,
  };
  printResult(context, flags, result, () => describe(result, out, context.colors));
}

function describe(result: Timed, directory: string, colors: Colors): string {
  const { ms } = result;
  return [
    `${colors.bold(result.file)}: ${formatBytes(result.bytes)}`,
    "",
    `prompt   ${plural(result.promptTokens, "token")}${result.truncated ? ", shortened to fit" : ""}, sha256 ${shortHash(result.promptSha256)}…`,
    `gates    ${result.layers} layers × ${result.experts} experts`,
    ...heatMap(result.gates, colors).map((line) => `  ${line}`),
    `time     load ${formatMs(ms.load)}, cloud pass ${formatMs(ms.cloud)}, LoRA weights from gates ${formatMs(ms.assemble)}`,
    "",
    `next     loragen run --specialization ${directory} --input "…"`,
  ].join("\n");
}
