/** @file `loragen why`: what a name's gates say, whom they are like, and which sentences of its prompt moved them. */
import type { Command } from "commander";
import { loadPair } from "../../pair/pair-file.ts";
import { createSpecializer } from "../../pair/specialize.ts";
import { answeringGates } from "../../server/trust/answering-content.ts";
import type { Rung } from "../../server/trust/certificate.ts";
import { requirePromptOf } from "../../server/trust/measure.ts";
import {
  gatesByLayer,
  type Nearest,
  nearestNames,
  type SentenceEffect,
  sentenceEffects,
} from "../../server/trust/why.ts";
import type { CliContext } from "../context.ts";
import { percent } from "../format.ts";
import { heatMap } from "../heat-map.ts";
import { interruptible } from "../interruptible.ts";
import {
  type ExactFlag,
  exactOption,
  jsonOption,
  type PairFlags,
  type PromptFlags,
  pairOptions,
  promptOptions,
  readPrompt,
} from "../options.ts";
import { type JsonFlag, printResult, warnOn } from "../output.ts";
import { promptSecret } from "../prompt-secret.ts";
import { specializeWarnings } from "../specialize-warnings.ts";
import { formatTable } from "../table.ts";
import { openStoreOf, storeOptions } from "./serve.ts";

type Flags = PairFlags & PromptFlags & JsonFlag & ExactFlag & { readonly store?: string; readonly tenant: string };

const examples = `
With the prompt, the cloud model reads it once more for each sentence, without that sentence: what changes is what it moved.

Examples:
  $ loragen why triage
  $ loragen why triage --prompt-file triage.txt`;

export function addWhy(program: Command, context: CliContext): void {
  const command = program
    .command("why")
    .summary("explain the gates of a specialisation of the store")
    .description(
      "Shows a name's gates, the names that are like it, and which sentences of its prompt moved which gates.",
    )
    .argument("<name>", "NAME or NAME@VERSION");
  const options = [...promptOptions(), ...storeOptions(), ...pairOptions(), exactOption(), jsonOption()];
  for (const option of options) command.addOption(option);
  command
    .addHelpText("after", examples)
    .action((name: string, flags: Flags) => interruptible(context, (signal) => run(context, name, flags, signal)));
}

async function run(context: CliContext, reference: string, flags: Flags, signal: AbortSignal): Promise<void> {
  const store = await openStoreOf(context, flags.store);
  const { name, version, object } = await store.resolve(flags.tenant, reference);
  const content = await store.read(object);
  const certificate = await store.certificate(flags.tenant, object);
  const { rung: answers, gates = content } = answeringGates(reference, content, certificate);
  const nearest = await nearestNames(store, flags.tenant, object, gates);
  const prompt = await readPrompt(context, flags);
  requirePromptOf(reference, content, prompt, await promptSecret(context));
  const sentences = prompt === undefined ? undefined : await effects(context, flags, prompt, content.truncated, signal);
  const told = {
    name,
    version,
    answers,
    layers: gatesByLayer(gates),
    nearest,
    ...(sentences === undefined ? {} : { sentences }),
  };
  printResult(context, flags, told, () =>
    [
      context.colors.bold(`${name}@${version}`),
      ...answeredBy[answers],
      "",
      ...heatMap(gates.gates, context.colors),
      "",
      describeNearest(nearest),
      ...(sentences === undefined ? [] : ["", describeSentences(sentences)]),
    ].join("\n"),
  );
}

/** Said where other gates answer than those that the prompt predicts, or none. Sentences always tell of the predicted ones. */
const answeredBy: { readonly [R in Rung]: readonly string[] } = {
  specialized: [],
  refined: ["answered by refined gates, which are shown"],
  residual: ["answered by the gates that are shown, behind sentences of the prompt"],
  prompted: ["answered by the edge model with the prompt: the gates that are shown do not answer"],
  cloud: ["answered by the cloud model with the prompt: the gates that are shown do not answer"],
};

async function effects(
  context: CliContext,
  flags: Flags,
  prompt: string,
  isTruncated: boolean,
  signal: AbortSignal,
): Promise<SentenceEffect[]> {
  const { resolveModel } = context;
  const pair = await loadPair(flags.pair, { exact: flags.exact, resolveModel, warn: warnOn(context) });
  for (const warning of specializeWarnings(pair, prompt, undefined)) warnOn(context)(warning);
  await using specializer = await createSpecializer(pair, flags);
  return await sentenceEffects(prompt, (part) => specializer.specialize(part, { truncate: isTruncated }), signal);
}

const describeNearest = (nearest: readonly Nearest[]): string =>
  nearest.length === 0
    ? "no other name of the store is of this pair"
    : `like     ${nearest.map(({ name, version, similarity }) => `${name}@${version} ${similarity.toFixed(2)}`).join(", ")} (cosine of the gates)`;

/** Of a sentence so many letters are shown. */
const shownLetters = 60;

const describeSentences = (sentences: readonly SentenceEffect[]): string =>
  formatTable(
    [{ title: "moved, %", align: "right" }, { title: "sentence" }, { title: "layer/expert: without it → with it" }],
    sentences.map(({ text, distance, moved }) => [
      percent(distance),
      text.length > shownLetters ? `${text.slice(0, shownLetters - 1)}…` : text,
      moved
        .map(({ layer, expert, from, to }) => `${layer}/${expert}: ${from.toFixed(2)} → ${to.toFixed(2)}`)
        .join("  "),
    ]),
  );
