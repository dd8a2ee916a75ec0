/** @file `loragen specialize`: a system prompt to a specialisation file. */
import { join } from "node:path";
import { type Command, Option } from "commander";
import { asksForJson } from "../../constraint/asks-for-json.ts";
import { findConstraint } from "../../constraint/find.ts";
import type { FromExamples } from "../../dispatch/gates.ts";
import { assembleLora } from "../../pair/merge.ts";
import { loadPair } from "../../pair/pair-file.ts";
import { unlikeWarnings } from "../../pair/prompt-warnings.ts";
import type { Specialization } from "../../pair/specialization-file.ts";
import { createSpecializer } from "../../pair/specialize.ts";
import { renderSystemPrompt } from "../../text/prompt.ts";
import { type TruncateMode, truncateModes } from "../../text/truncate-prompt.ts";
import { type ConstraintFlags, constraintOptions, describeSpec, readConstraint } from "../constraint-flags.ts";
import type { CliContext } from "../context.ts";
import { formatBytes, formatMs, plural, shortHash } from "../format.ts";
import {
  describeFound,
  type ExampleFlags,
  exampleOptions,
  findGates,
  historyOfGates,
  readSplitExamples,
  type SplitExamples,
} from "../gate-examples.ts";
import { compactHeatMap } from "../heat-map.ts";
import { interruptible } from "../interruptible.ts";
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
import { promptSecret } from "../prompt-secret.ts";
import { replaceSpecialization, requireReplaceable, specializationOutOption } from "../replace-specialization.ts";
import { placeForHistory, searchHistoryName, writeSearchHistory } from "../search-history.ts";
import { specializeWarnings } from "../specialize-warnings.ts";
import type { Colors } from "../terminal.ts";
import { waiting } from "../waiting.ts";

type Flags = PairFlags &
  PromptFlags &
  JsonFlag &
  QuantizeFlag &
  ExactFlag &
  ExampleFlags &
  ConstraintFlags & { readonly out?: string; readonly truncate?: TruncateMode; readonly anonymous?: boolean };

const examples = `
With --examples, gates are searched for or learnt from labelled examples, beginning with those that the prompt predicts (or the
examples themselves, where there is no prompt). It stays the same file, which says how its gates were found.

Examples:
  $ loragen specialize --prompt "Classify the sentiment. Answer positive or negative." --out sentiment
  $ loragen specialize --prompt-file router.txt --labels labels.txt --out router
  $ loragen specialize --prompt-file secret.txt --anonymous --out assistant --json
  $ loragen specialize --prompt-file router.txt --examples twenty.jsonl --way learnt --out router
  $ loragen run --specialization sentiment --input "what a lovely day"`;

export function addSpecialize(program: Command, context: CliContext): void {
  const command = program
    .command("specialize")
    .summary("turn a system prompt into a specialisation of a few hundred bytes")
    .description(
      "Reads a system prompt with the cloud model, once, and writes the gates it answers with: DIR/specialization.json.",
    )
    .addOption(specializationOutOption())
    .addOption(
      new Option("--truncate [where]", "shorten a prompt that is longer than the cloud model's context")
        .choices(truncateModes)
        .preset("middle"),
    );
  const options = [
    ...promptOptions(),
    ...constraintOptions("answers are free text"),
    new Option("--anonymous", "leave out the keyed hash by which you find a prompt's specialisation again"),
    ...exampleOptions(),
    ...pairOptions(),
    quantizeOption("cloud model"),
    exactOption(),
    jsonOption(),
  ];
  for (const option of options) command.addOption(option);
  command
    .addHelpText("after", examples)
    .action((flags: Flags) =>
      flags.examples === undefined
        ? specializeCommand(context, flags)
        : interruptible(context, (signal) => specializeCommand(context, flags, signal)),
    );
}

type Timed = {
  readonly gates: Specialization["gates"];
  readonly topK: number;
  readonly layers: number;
  readonly experts: number;
  readonly promptTokens: number;
  /** None of an anonymous specialisation. */
  readonly promptHmac: string | undefined;
  readonly truncated: boolean;
  /** Where the cloud model is quantised. */
  readonly cloudQuantization: Specialization["cloudQuantization"];
  readonly constraint: Specialization["constraint"];
  readonly unlike: boolean;
  /** Where examples were given. */
  readonly search?: Told;
  /** Of the file, and of the constraint's section in it. */
  readonly bytes: number;
  readonly constraintBytes: number;
  readonly ms: { readonly load: number; readonly cloud: number; readonly assemble: number };
  readonly file: string;
};

async function specializeCommand(context: CliContext, flags: Flags, signal?: AbortSignal): Promise<void> {
  const out = required(flags.out, "specialize", "--out DIR");
  await requireReplaceable(out);
  const split = await readSplitExamples(flags);
  const prompt = required(await promptOf(context, flags, split), "specialize", "--prompt TEXT or --prompt-file FILE");
  const given = await readConstraint(flags);
  const inPrompt = given === undefined ? findConstraint(prompt) : undefined;
  if (inPrompt !== undefined)
    context.stderr.write(
      `found ${describeSpec(inPrompt.spec)}; behind "${inPrompt.because}"; --no-constraint leaves answers free\n`,
    );
  const json = given === undefined && inPrompt === undefined ? asksForJson(prompt) : undefined;
  if (json !== undefined)
    context.stderr.write(
      `no form found for the JSON that the prompt asks for ("${json}"): answers are free text; --schema FILE gives one\n`,
    );
  const constraint = given === false ? undefined : (given ?? inPrompt?.spec);
  const from = context.now();
  const pair = await loadPair(flags.pair, {
    quantize: { cloud: quantizationOf(flags) },
    exact: flags.exact,
    resolveModel: context.resolveModel,
    warn: warnOn(context),
  });
  for (const warning of specializeWarnings(pair, prompt, constraint)) warnOn(context)(warning);
  await using specializer = await createSpecializer(pair, flags);
  const loaded = context.now();
  const secret = flags.anonymous ? undefined : await promptSecret(context);
  let reading = "reading the prompt";
  const predicted = await waiting(
    context,
    () => reading,
    () =>
      specializer.specialize(prompt, {
        truncate: flags.truncate ?? false,
        truncateName: "--truncate",
        secret,
        constraint,
        onRead: (read) => {
          reading = describeReading(read);
        },
      }),
  );
  const routed = context.now();
  const search =
    split && signal && (await findGates(context, pair, predicted, split, constraint, { ...flags, signal }));
  const specialization = search?.specialization ?? predicted;
  for (const warning of unlikeWarnings(specialization)) warnOn(context)(warning);
  const { gates, topK, layers, experts, promptTokens, promptHmac, truncated, cloudQuantization } = specialization;
  const found = context.now();
  assembleLora(pair, specialization);
  const assembled = context.now();
  const clear = await placeForHistory(out, "gates");
  const { file, bytes, constraintBytes } = await replaceSpecialization(context, out, specialization, clear);
  if (search !== undefined && clear !== undefined) await writeSearchHistory(out, historyOfGates(search));
  else if (search !== undefined)
    warnOn(context)(
      `${join(out, searchHistoryName)}: not the history of a search for gates, and left as it is: this one's is not kept`,
    );
  const ms = { load: loaded - from, cloud: predicted.ms?.cloud ?? routed - loaded, assemble: assembled - found };
  const result = {
    gates,
    topK,
    layers,
    experts,
    promptTokens,
    promptHmac,
    truncated,
    cloudQuantization,
    constraint,
    unlike: specialization.unlike ?? false,
    ...(search === undefined ? {} : { search: toldOf(search) }),
    bytes,
    constraintBytes,
    ms,
    file,
  };
  printResult(context, flags, result, () => describe(result, out, context.colors));
}

const describeReading = ({ tokens, kept }: { readonly tokens: number; readonly kept: number }): string =>
  `the cloud model reads ${kept < tokens ? `${kept} of ${plural(tokens, "token")}` : plural(tokens, "token")}`;

type Told = Omit<FromExamples, "specialization">;
const toldOf = ({ specialization: _, ...told }: FromExamples): Told => told;

/** The prompt that was given; else the examples themselves, those that are set aside left out. */
async function promptOf(context: CliContext, flags: Flags, split: SplitExamples | undefined) {
  const given = await readPrompt(context, flags);
  return given ?? (split && renderSystemPrompt({ examples: split.fit }));
}

function describe(result: Timed, directory: string, colors: Colors): string {
  const { ms } = result;
  const { constraint, constraintBytes, promptHmac } = result;
  const hash = promptHmac === undefined ? "anonymous" : `keyed hash ${shortHash(promptHmac)}…`;
  return [
    `${colors.bold(result.file)}: ${formatBytes(result.bytes)}${constraint === undefined ? "" : `, ${formatBytes(constraintBytes)} of them the constraint`}`,
    "",
    `prompt   ${plural(result.promptTokens, "token")}${result.truncated ? ", shortened to fit" : ""}, ${hash}`,
    `answers  ${constraint === undefined ? "free text" : describeSpec(constraint)}`,
    `gates    ${result.layers} layers × ${result.experts} experts, a column for each layer`,
    ...compactHeatMap(result.gates, colors).map((line) => `  ${line}`),
    ...(result.search === undefined ? [] : describeFound(result.search)),
    `time     load ${formatMs(ms.load)}, cloud pass ${formatMs(ms.cloud)}, LoRA weights from gates ${formatMs(ms.assemble)}`,
    "",
    `next     loragen run --specialization ${directory} --input "…"`,
  ].join("\n");
}
