/** @file `loragen certify`: measures what a name of the store stands for, and keeps the result beside it. */
import { type Command, Option } from "commander";
import { z } from "zod";
import { AppError } from "../../base/errors.ts";
import { checkSchema } from "../../base/json.ts";
import { createProgress } from "../../base/progress.ts";
import { readExamples } from "../../data/examples-file.ts";
import { SCORERS, type ScorerName } from "../../eval/scorers/table.ts";
import { readJsonl } from "../../files/jsonl.ts";
import { loadPair, type Pair } from "../../pair/pair-file.ts";
import { createConstraintCache } from "../../server/api/constraints.ts";
import { createEngine } from "../../server/engine/engine.ts";
import { requireAddress } from "../../server/remote.ts";
import { remoteAnswers } from "../../server/remote-answers.ts";
import { type CloudSide, cloudSide } from "../../server/sides.ts";
import { shownCertificate } from "../../server/trust/certificate.ts";
import { certifyLimits, type Measured } from "../../server/trust/certify.ts";
import { checkMeasurement, drawInputs, measure } from "../../server/trust/measure.ts";
import { refineWith } from "../../server/trust/refine.ts";
import { certificateLines } from "../certificate-report.ts";
import type { CliContext } from "../context.ts";
import { interruptible } from "../interruptible.ts";
import {
  decimal,
  type ExactFlag,
  exactOption,
  jsonOption,
  type PromptFlags,
  pairOption,
  promptOptions,
  readPrompt,
  threadsOption,
  wholeNumber,
} from "../options.ts";
import { type JsonFlag, printResult, warnOn } from "../output.ts";
import { promptSecret } from "../prompt-secret.ts";
import { type ReferenceFlags, readReference, referenceOptions } from "../reference-options.ts";
import { cloudAnswersOption, openStoreOf, storeOptions } from "./serve.ts";

type Flags = JsonFlag &
  ExactFlag &
  PromptFlags &
  ReferenceFlags & {
    readonly pair: string;
    readonly threads: number;
    readonly store?: string;
    readonly tenant: string;
    readonly examples?: string;
    readonly inputs?: string;
    readonly scorer?: ScorerName;
    readonly threshold?: number;
    readonly refine?: number;
    readonly fallback?: boolean;
    readonly cloud?: string;
    readonly cloudAnswers?: boolean;
  };

const examples = `
What is right comes from labelled examples, or from a stronger model (--reference), or else from the prompted edge
model: where that cannot be prompted, agreement with it says little.

Examples:
  $ loragen certify triage --examples labelled.jsonl --prompt-file triage.txt --threshold 0.9
  $ loragen certify triage --inputs mails.jsonl --prompt-file triage.txt --reference http://localhost:8000/v1 --reference-model qwen3
  $ loragen certify triage --inputs mails.jsonl --prompt-file triage.txt --reference Qwen2.5-1.5B-Instruct.gguf
  $ loragen certify triage --examples labelled.jsonl --prompt-file triage.txt --threshold 0.9 --fallback --cloud http://big-machine:8080`;

export function addCertify(program: Command, context: CliContext): void {
  const command = program
    .command("certify")
    .summary("measure how a specialisation of the store answers")
    .description(
      "Asks a specialisation of the store, and the models beside it, on your inputs; keeps the result there.",
    )
    .argument("<name>", "NAME or NAME@VERSION");
  const options = [
    new Option("--examples <file>", 'JSON lines of {"input", "target"}').conflicts("inputs"),
    new Option("--inputs <file>", 'JSON lines of {"input"}'),
    ...promptOptions(),
    ...referenceOptions(),
    new Option(
      "--scorer <name>",
      "exact for labels, json-equal for JSON, else normalized, unless told otherwise",
    ).choices(SCORERS),
    new Option("--threshold <share>", "the least score that may answer for the name").argParser(decimal(0, 1)),
    new Option(
      "--refine <n>",
      "set n of the inputs aside, unmeasured: gates are refined on them where the predicted ones score too little",
    ).argParser(wholeNumber(certifyLimits.refineLeast, certifyLimits.refineMost)),
    new Option(
      "--fallback",
      "where the specialisation scores less than the threshold, the cheapest that reaches it answers; what that needs of the prompt's text is kept",
    ),
    cloudAnswersOption(),
    new Option(
      "--cloud <url>",
      "another loragen serve of the same pair, whose cloud model answers in the place of this machine's, here without --cloud-answers too; LORAGEN_CLOUD_KEY is the key there",
    ),
    ...storeOptions(),
    pairOption(),
    threadsOption(),
    exactOption(),
    jsonOption(),
  ];
  for (const option of options) command.addOption(option);
  command
    .addHelpText("after", examples)
    .action((name: string, flags: Flags) => interruptible(context, (signal) => run(context, name, flags, signal)));
}

const InputLine = z.strictObject({ input: z.string() });

async function readInputs({ examples: labelled, inputs: path }: Flags): Promise<Measured[]> {
  if (labelled !== undefined) return readExamples(labelled);
  if (path === undefined)
    throw new AppError("E_USAGE", "certify: expected --examples FILE or --inputs FILE, found none");
  const inputs: Measured[] = [];
  for await (const line of readJsonl(path, { maxExpandedBytes: 2 ** 26 })) {
    inputs.push(checkSchema(line, InputLine, { what: `${path}: line ${inputs.length + 1}` }));
    if (inputs.length > certifyLimits.inputs)
      throw new AppError("E_LIMIT", `${path}: expected at most ${certifyLimits.inputs} inputs, found more`);
  }
  return inputs;
}

/** Looked at before models are opened. Throws E_USAGE for what is no http address, and for flags that would have no effect. */
function requireCloudFlags({ cloud: url, cloudAnswers, threshold }: Flags): void {
  if (url !== undefined) requireAddress("cloud", url);
  if (threshold === undefined && (url !== undefined || cloudAnswers))
    throw new AppError(
      "E_USAGE",
      "certify: expected --threshold beside --cloud or --cloud-answers: the cloud model is asked where nothing cheaper scores it",
    );
}

/** Undefined where the cloud model is not to answer. */
function cloudOf({ cloudKey: key, now }: CliContext, flags: Flags, pair: Pair): CloudSide | undefined {
  const { cloud: url, cloudAnswers, threads } = flags;
  if (url !== undefined) return remoteAnswers(pair, { url, key, now });
  return cloudAnswers ? cloudSide(pair, { threads, now }) : undefined;
}

async function run(context: CliContext, name: string, flags: Flags, signal: AbortSignal): Promise<void> {
  const { tenant, scorer, threshold, refine, fallback, threads, exact } = flags;
  const { stderr: stream, now } = context;
  requireCloudFlags(flags);
  const reference = await readReference(context, flags, () => pair);
  const inputs = await readInputs(flags);
  const store = await openStoreOf(context, flags.store);
  const found = await store.resolve(tenant, name);
  const content = await store.read(found.object);
  const secret = await promptSecret(context);
  const measurement = {
    content,
    object: found.object,
    inputs,
    prompt: await readPrompt(context, flags),
    reference,
    scorer,
    threshold,
    refine,
    fallback,
    tenant,
  };
  checkMeasurement(name, measurement, { secret });
  const pair = await loadPair(flags.pair, { exact, resolveModel: context.resolveModel, warn: warnOn(context) });
  await using engine = await createEngine(pair, { threads, now });
  const cloud = cloudOf(context, flags, pair);
  const progress = createProgress({
    stream,
    isTerminal: context.isTerminal.stderr,
    total: drawInputs(measurement).measured.length,
    label: "certify",
    now,
  });
  try {
    const certificate = await measure(
      measurement,
      {
        edge: { engine, texts: pair, constraints: createConstraintCache(pair) },
        pair,
        cloud,
        refine: refineWith(pair, threads),
        secret,
        date: () => new Date(),
      },
      { onProgress: (done) => progress.update(done, {}), signal },
    );
    progress.finish();
    await store.certify(tenant, certificate);
    const model = `${found.name}@${found.version}`;
    printResult(context, flags, { model, ...shownCertificate(certificate) }, () =>
      certificateLines(model, certificate).join("\n"),
    );
  } finally {
    progress.finish();
    await cloud?.close();
    await reference?.close?.();
  }
}
