/** @file `loragen known-prompts`: where a generator's training prompts lie, so that `specialize` warns of prompts that lie elsewhere. */
import { type Command, Option } from "commander";
import { requireRunning } from "../../base/interrupt.ts";
import { createProgress } from "../../base/progress.ts";
import { createRng } from "../../base/rng.ts";
import { readEpisodes } from "../../data/episode.ts";
import { writeKnownPrompts } from "../../pair/known-prompts-file.ts";
import { generatorFolderOf, loadPair } from "../../pair/pair-file.ts";
import { openPromptStates } from "../../pair/prompt-states.ts";
import { drawPrompts, fitKnownPrompts, knownPromptsDefaults, knownPromptsLayer } from "../../train/known-prompts.ts";
import type { CliContext } from "../context.ts";
import { formatBytes } from "../format.ts";
import { describeKnown } from "../inspect/generator.ts";
import { interruptible } from "../interruptible.ts";
import {
  type ExactFlag,
  exactOption,
  jsonOption,
  type PairFlags,
  required,
  wholeNumber,
  writtenPairOptions,
} from "../options.ts";
import { type JsonFlag, printResult, warnOn } from "../output.ts";

type Flags = Omit<PairFlags, "pair"> &
  JsonFlag &
  ExactFlag & {
    readonly pair?: string;
    readonly train?: string;
    readonly validation?: string;
    readonly prompts: number;
    readonly validationPrompts: number;
    readonly seed: number;
  };

const examples = `
The cloud model reads prompts of the training and of its validation, half-way up. The file known-prompts.json in the generator's
folder then says where they lie; it replaces the one that was there. Other weights of the generator need other ones.

Examples:
  $ loragen known-prompts --pair my-pair --train data/train.jsonl --validation data/validation.jsonl`;

export function addKnownPrompts(program: Command, context: CliContext): void {
  const command = program
    .command("known-prompts")
    .summary("let a pair know its training prompts, and warn of others")
    .description("Measures where a generator's training prompts lie, so that specialize warns of prompts unlike them.");
  const options = [
    ...writtenPairOptions(),
    new Option("--train <file>", "required: the episodes that the generator was trained on"),
    new Option("--validation <file>", "required: other episodes of the same kinds"),
    new Option("--prompts <n>", "training prompts that are read")
      .argParser(wholeNumber(knownPromptsDefaults.fewest, 10_000))
      .default(knownPromptsDefaults.prompts),
    new Option("--validation-prompts <n>", "validation prompts that are read")
      .argParser(wholeNumber(knownPromptsDefaults.fewest, 10_000))
      .default(knownPromptsDefaults.validationPrompts),
    new Option("--seed <n>", "of their draw").argParser(wholeNumber(0)).default(1),
    exactOption(),
    jsonOption(),
  ];
  for (const option of options) command.addOption(option);
  command
    .addHelpText("after", examples)
    .action((flags: Flags) => interruptible(context, (signal) => run(context, flags, signal)));
}

async function run(context: CliContext, flags: Flags, signal: AbortSignal): Promise<void> {
  const directory = required(flags.pair, "known-prompts", "--pair DIR");
  const train = required(flags.train, "known-prompts", "--train FILE");
  const validation = required(flags.validation, "known-prompts", "--validation FILE");
  const { resolveModel, stderr: stream, now, isTerminal } = context;
  const rng = createRng(`known prompts ${flags.seed}`);
  const drawn = async (name: string, path: string, count: number) =>
    drawPrompts(
      path,
      (await readEpisodes(path)).map(({ prompt }) => prompt),
      count,
      rng.split(name),
    );
  const [known, others] = [
    await drawn("train", train, flags.prompts),
    await drawn("validation", validation, flags.validationPrompts),
  ];
  const pair = await loadPair(directory, {
    exact: flags.exact,
    readKnown: false,
    resolveModel,
    warn: warnOn(context),
  });
  const layer = knownPromptsLayer(pair.shape.cloud);
  await using states = await openPromptStates(pair, layer, flags);
  const all: Float32Array[] = [];
  const total = known.length + others.length;
  const progress = createProgress({ stream, isTerminal: isTerminal.stderr, total, label: "known prompts", now });
  try {
    for (const prompt of [...known, ...others]) {
      requireRunning(signal, "known prompts: interrupted");
      all.push(await states.stateOf(prompt));
      progress.update(all.length, {});
    }
  } finally {
    progress.finish();
  }
  const fitted = fitKnownPrompts(all.slice(0, known.length), all.slice(known.length), {
    layer,
    generatorSha256: pair.generator.sha256,
    cloudSha256: pair.cloud.sha256,
  });
  const { file, bytes } = await writeKnownPrompts(await generatorFolderOf(directory), fitted);
  const { prompts, validationPrompts, beyond, threshold } = fitted;
  printResult(
    context,
    flags,
    { file, bytes, layer, prompts, validationPrompts, beyond, threshold },
    () => `${file}: ${formatBytes(bytes)}; ${describeKnown(fitted)}`,
  );
}
