/** @file `loragen adapt`: questions answered by the skills that fit them, in two passes. */
import { type Command, Option } from "commander";
import { AppError } from "../../base/errors.ts";
import { isFolder, requireWritable } from "../../base/folder.ts";
import { firstExamples, readExamples } from "../../data/examples-file.ts";
import { type FoundShares, fewShotDefaults, findShares, type SearchName, searches } from "../../dispatch/few-shot.ts";
import { createFirstPass } from "../../dispatch/first-pass.ts";
import { createShotScorer, type ShotScore } from "../../dispatch/shots.ts";
import { everywhere, type SkillPool } from "../../dispatch/skill-pool.ts";
import { classifierName, openSkillPool } from "../../dispatch/skill-pool-file.ts";
import { createTwoPass, type TwoPassAnswer } from "../../dispatch/two-pass.ts";
import { modelSubject, pairSubject, requireLayout } from "../../eval/subject.ts";
import { requireNewFolder, withNewFolder } from "../../export/new-folder.ts";
import type { Subject } from "../../methods/method.ts";
import { loadPair } from "../../pair/pair-file.ts";
import type { Example } from "../../text/prompt.ts";
import { type RewardName, rewardNames } from "../../train/rollout.ts";
import type { CliContext } from "../context.ts";
import { svdCacheOption } from "../expert-source.ts";
import { formatMs, formatShare, plural } from "../format.ts";
import { heatMap } from "../heat-map.ts";
import { interruptible } from "../interruptible.ts";
import { samplingOf } from "../open-answerer.ts";
import {
  type ExactFlag,
  exactOption,
  jsonOption,
  type PairFlags,
  type PromptFlags,
  pairOptions,
  promptOptions,
  readPrompt,
  required,
  type SamplingFlags,
  samplingOptions,
  wholeNumber,
} from "../options.ts";
import { type JsonFlag, printResult, warnOn } from "../output.ts";
import { printable } from "../printable.ts";
import { writeSearchHistory } from "../search-history.ts";

type Common = PairFlags &
  PromptFlags &
  SamplingFlags &
  ExactFlag &
  JsonFlag & {
    readonly skills?: string;
    readonly model?: string;
    readonly by: "prompt" | "classifier";
    readonly examples?: string;
    readonly shots?: number;
    readonly input?: readonly string[];
    readonly out?: string;
    readonly svdCache?: string;
  };

type SearchFlags = {
  readonly search: SearchName;
  readonly perLayer: boolean;
  readonly generations: number;
  readonly population: number;
  readonly scorer: RewardName;
};

type Flags = Common & SearchFlags;
type Given = Common & Partial<SearchFlags>;

const searchDefaults: SearchFlags = {
  search: fewShotDefaults.search,
  perLayer: fewShotDefaults.perLayer,
  generations: fewShotDefaults.generations,
  population: fewShotDefaults.population,
  scorer: "exact",
};
/** What is read with examples alone, by its flag. */
const ofSearch = {
  shots: "--shots",
  search: "--search",
  perLayer: "--per-layer",
  generations: "--generations",
  population: "--population",
  scorer: "--scorer",
} as const satisfies Readonly<Record<keyof SearchFlags | "shots", string>>;

const examples = `
A folder of skills has NAME.safetensors or a run's output NAME/ for each: all of Transformer², or all LoRA, all DoRA or all IA³ adapters.
Without --examples a first pass names the skill of each question: the base model does, or with --by classifier the skill "${classifierName}".
Every other answer than a name means the base model. Skills of Transformer² on a GGUF file of fewer bits need --exact.
With --examples (JSON lines of "input" and "target") a search finds once how much of each skill there is to be; --out keeps that as one skill, with the search's history, which loragen plot draws.

Examples:
  $ loragen adapt --skills runs/skills --model SmolLM2-135M --input "what is 12 + 30" --input "is it raining"
  $ loragen adapt --skills runs/skills --model SmolLM2-135M --examples ten.jsonl --out mixed
  $ loragen adapt --skills runs/skills --model SmolLM2-135M --examples ten.jsonl --search random --input "what is 12 + 30"`;

export function addAdapt(program: Command, context: CliContext): void {
  const command = program
    .command("adapt")
    .summary("answer each question by the skill that fits it, or by a mixture that examples choose")
    .description(
      "Answers in two passes: the first chooses among skills, the second answers with the one that was chosen.",
    )
    .option("--skills <dir>", "required: folder of skills, each under its name")
    .addOption(new Option("--model <dir|file|id>", "a model alone instead of a pair's edge model").conflicts("pair"))
    .addOption(new Option("--by <who>", "who names the skill").choices(["prompt", "classifier"]).default("prompt"))
    .addOption(new Option("--input <text>", "a question; may be given several times").argParser(collect))
    .addOption(
      new Option("--examples <file>", "mix the skills as labelled examples say; no first pass then").conflicts("by"),
    )
    .addOption(new Option("--shots <n>", "only the first n examples").argParser(wholeNumber(1)))
    .addOption(
      new Option("--search <how>", "cross-entropy method, or a control")
        .choices(searches)
        .default(undefined, searchDefaults.search),
    )
    .option("--per-layer", "how much of each skill, layer by layer")
    .addOption(
      new Option("--generations <n>", "of the search")
        .argParser(wholeNumber(1))
        .default(undefined, String(searchDefaults.generations)),
    )
    .addOption(
      new Option("--population <n>", "mixtures of a generation")
        .argParser(wholeNumber(2, maxPopulation))
        .default(undefined, String(searchDefaults.population)),
    )
    .addOption(
      new Option("--scorer <name>", "what an answer to an example is scored by")
        .choices(rewardNames)
        .default(undefined, searchDefaults.scorer),
    )
    .option("--out <dir>", "write the mixture as one skill");
  const shared = [...promptOptions(), ...pairOptions(), exactOption(), svdCacheOption(), ...samplingOptions()];
  for (const option of [...shared, jsonOption()]) command.addOption(option);
  command
    .addHelpText("after", examples)
    .action((given: Given) => interruptible(context, (signal) => adaptCommand(context, given, signal)));
}

const maxPopulation = 10_000;

const collect = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

type Searched = FoundShares & {
  readonly examples: number;
  /** What the examples score without skills, and with an equal share of each. */
  readonly base: ShotScore;
  readonly uniform: ShotScore;
  readonly ms: number;
};

async function adaptCommand(context: CliContext, given: Given, signal: AbortSignal): Promise<void> {
  const flags: Flags = { ...searchDefaults, ...given };
  const folder = required(flags.skills, "adapt", "--skills DIR");
  const { input: inputs = [], out, threads, device } = flags;
  if (inputs.length === 0 && out === undefined)
    throw new AppError("E_USAGE", "adapt: expected --input TEXT or --out DIR, found neither");
  if (out !== undefined && flags.examples === undefined)
    throw new AppError("E_USAGE", "adapt: --out keeps the mixture that --examples find; expected --examples FILE");
  for (const [name, flag] of Object.entries(ofSearch))
    if (given[name as keyof typeof ofSearch] !== undefined && flags.examples === undefined)
      throw new AppError(
        "E_USAGE",
        `adapt: ${flag} is of a search, for which there are no examples; expected --examples FILE`,
      );
  if (!(await isFolder(folder)))
    throw new AppError("E_NOT_FOUND", `${folder}: expected a folder of skills, found none`);
  if (out !== undefined) await requireNewFolder(out);
  if (flags.svdCache !== undefined) await requireWritable(flags.svdCache);
  const prompt = await readPrompt(context, flags);
  const { examples: path, shots } = flags;
  const known = path === undefined ? undefined : firstExamples(path, await readExamples(path), shots);
  await using opened = await openSubject(context, flags);
  const { subject } = opened;
  const pool = await openSkillPool(folder, subject, {
    ...(flags.svdCache === undefined ? {} : { folder: flags.svdCache }),
    onDamaged: (why) => warnOn(context)(`${why}; it is made again`),
    signal,
  });
  if (flags.by === "classifier" && pool.classifier === undefined)
    throw new AppError(
      "E_NOT_FOUND",
      `${folder}: expected a skill "${classifierName}", which names the others; found none`,
    );
  const find = (examples: readonly Example[]) =>
    search(context, flags, subject, pool, { known: examples, prompt }, signal);
  const found =
    known === undefined
      ? undefined
      : out === undefined
        ? await find(known)
        : await withNewFolder(out, async (folder) => {
            const mixed = await find(known);
            await pool.save(folder, mixed.shares, madeBy(flags, pool, mixed));
            if (mixed.history.length > 0) await writeSearchHistory(folder, historyOf(flags, pool, mixed));
            return mixed;
          });
  const change = flags.by === "classifier" ? pool.classifier : undefined;
  await using first =
    found === undefined ? createFirstPass({ ...subject, change }, pool.names, { threads, device }) : undefined;
  await using answering = createTwoPass(subject, pool, first ?? { shares: found!.shares }, { threads, device, prompt });
  const answers: (TwoPassAnswer & { readonly input: string })[] = [];
  const sampling = samplingOf(flags);
  for (const input of inputs) {
    const answer = await answering.answer(input, { ...sampling, signal });
    if (answer.finish === "aborted")
      throw new AppError("E_INTERRUPTED", `stopped after ${plural(answers.length, "answer")}`);
    answers.push({ input, ...answer });
    if (!flags.json) tellAnswer(context, answer);
  }
  const cost = costOf(answers, found);
  const { kind, names } = pool;
  const result = {
    kind,
    skills: names,
    by: found === undefined ? flags.by : flags.search,
    search: found,
    out,
    answers,
    cost,
  };
  printResult(context, flags, result, () => "");
  if (!flags.json && answers.length > 0) context.stderr.write(`${describeCost(cost)}\n`);
  if (!flags.json && out !== undefined) context.stderr.write(`${out}: the mixture as one skill\n`);
}

async function openSubject(
  context: CliContext,
  flags: Flags,
): Promise<AsyncDisposable & { readonly subject: Subject }> {
  const { threads, device, model, pair, exact } = flags;
  if (model !== undefined) {
    const subject = await modelSubject(await context.resolveModel(model), { exact });
    requireLayout(subject);
    return { subject, [Symbol.asyncDispose]: async () => undefined };
  }
  const options = { resolveModel: context.resolveModel, warn: warnOn(context), exact };
  const subject = pairSubject(await loadPair(pair, options), { threads, device });
  return { subject, [Symbol.asyncDispose]: () => subject[Symbol.asyncDispose]() };
}

async function search(
  context: CliContext,
  flags: Flags,
  subject: Subject,
  pool: SkillPool,
  { known, prompt }: { readonly known: readonly Example[]; readonly prompt: string | undefined },
  signal: AbortSignal,
): Promise<Searched> {
  const from = context.now();
  const { threads, device, scorer: name, perLayer, generations, population, seed } = flags;
  const { change, steer } = pool.steered();
  const asked = { examples: known, scorer: name, prompt };
  await using scorer = createShotScorer({ ...subject, change }, asked, { threads, device });
  const score = (shares: Parameters<typeof steer>[0]) => {
    steer(shares);
    return scorer.score(signal);
  };
  const skills = pool.names.length;
  const sizes = { skills, layers: pool.layers, examples: known.length };
  const base = await score(everywhere(pool.layers, new Array<number>(skills).fill(0)));
  const uniform = await score(everywhere(pool.layers, new Array<number>(skills).fill(1 / skills)));
  const found = await findShares(sizes, score, {
    search: flags.search,
    perLayer,
    generations,
    population,
    seed,
    signal,
    onGeneration: ({ generation, accuracy }) =>
      void context.stderr.write(`generation ${generation + 1} of ${generations}: best ${formatShare(accuracy)}\n`),
  });
  if (found.interrupted)
    throw new AppError("E_INTERRUPTED", `stopped after ${plural(found.history.length, "generation")}`);
  const result = { ...found, examples: known.length, base, uniform, ms: context.now() - from };
  if (!flags.json) tellSearch(context, pool, result);
  return result;
}

function tellSearch({ stderr, colors }: CliContext, { names }: SkillPool, found: Searched): void {
  const { examples: asked, accuracy, base, uniform, shares, history, evaluations, ms } = found;
  const lines = [
    `${plural(asked, "example")}, each asked by ${plural(evaluations, "mixture")} in ${formatMs(ms)}`,
    `right    ${formatShare(accuracy)}; the base model ${formatShare(base.accuracy)}, an equal share of each ${formatShare(uniform.accuracy)}`,
    `skills   ${names.map((name, i) => `${i} ${name}`).join(", ")}`,
    ...(history.length === 0 ? [] : ["history  mean shares of each generation"]),
    ...heatMap(
      history.map((generation) => generation.shares),
      colors,
      "generation",
    ).map((line) => `  ${line}`),
    "shares   of the best mixture",
    ...heatMap(shares, colors).map((line) => `  ${line}`),
  ];
  stderr.write(`${lines.join("\n")}\n`);
}

function tellAnswer(
  { stdout, stderr, isTerminal }: CliContext,
  { text, skill, ms, outputTokens }: TwoPassAnswer,
): void {
  stdout.write(`${isTerminal.stdout ? printable(text) : text}\n`);
  const first = skill === "mixture" ? "" : `first pass ${formatMs(ms.first)}, `;
  stderr.write(`${skill}: ${first}second ${formatMs(ms.second)}, ${plural(outputTokens, "token")}\n`);
}

/** What choosing costs beside answering: of first passes as they came, of a search once for all questions. */
function costOf(answers: readonly TwoPassAnswer[], found: Searched | undefined) {
  const first = answers.reduce((sum, { ms }) => sum + ms.first, 0) + (found?.ms ?? 0);
  const second = answers.reduce((sum, { ms }) => sum + ms.second, 0);
  const questions = answers.length;
  return {
    questions,
    ms: { choosing: first, answering: second, choosingPerQuestion: questions === 0 ? null : first / questions },
    share: first + second === 0 ? 0 : first / (first + second),
  };
}

const describeCost = ({ questions, ms, share }: ReturnType<typeof costOf>): string =>
  `${plural(questions, "question")}: choosing took ${formatMs(ms.choosing)}, ${formatMs(ms.choosingPerQuestion ?? 0)} a question, ${formatShare(share)} of all`;

const historyOf = ({ search: by }: Flags, { names }: SkillPool, found: Searched) => ({
  of: "shares of skills" as const,
  by,
  counts: "generation" as const,
  examples: found.examples,
  skills: [...names],
  beside: { "base model": found.base.accuracy, "an equal share of each": found.uniform.accuracy },
  points: found.history.map(({ generation, shares, ...point }) => ({
    at: generation + 1,
    ...point,
    shares: [...shares],
  })),
});

const round = (share: number): number => Number(share.toFixed(4));

const madeBy = ({ search: how, perLayer, seed }: Flags, { names }: SkillPool, found: Searched) => ({
  by: "adapt",
  skills: names.join(" "),
  search: how,
  perLayer: String(perLayer),
  examples: String(found.examples),
  evaluations: String(found.evaluations),
  accuracy: found.accuracy.toFixed(4),
  shares: JSON.stringify((perLayer ? found.shares : found.shares.slice(0, 1)).map((row) => row.map(round))),
  seed: String(seed),
});
