/** @file `prompt-kinds`: the same tasks told as a description, as examples, as a role, as a format of a conversation and as tools. */
import { groupBy } from "../../../src/base/group-by.ts";
import { createRng } from "../../../src/base/rng.ts";
import { EvalTask } from "../../../src/data/eval-task.ts";
import { summarize } from "../../../src/eval/report.ts";
import { type Example, renderSystemPrompt } from "../../../src/text/prompt.ts";
import { type ClincRow, readClinc } from "../../sources/clinc150.ts";
import { askTasks, noCell } from "../ask.ts";
import { number, paragraphs, signed, table } from "../markdown.ts";
import type { Budget, Context, Page } from "../row.ts";
import { oneSeed, pairOf } from "../shipped-pair.ts";

const inputs: Readonly<Record<Budget, number>> = { minutes: 1, hours: 20, full: 20 };
const tasksPerKind: Readonly<Record<Budget, number>> = { minutes: 2, hours: 10, full: 10 };
/** Questions of a task that each method is asked once more, alone and with an empty cache. */
const timed = 2;
const topicsPerTask = 4;
const examplesPerTopic = 2;
/** No training prompt of the pair that ships has their intents. */
const domains: readonly string[] = ["travel", "work"];

const listed = (topics: readonly string[]): string => `${topics.slice(0, -1).join(", ")} or ${topics.at(-1)}`;

/** One task in five kinds of prompts. */
const kinds: Readonly<Record<string, (topics: readonly string[], examples: readonly Example[]) => string>> = {
  "task description": (topics) =>
    `Sort each message by what it is about: ${listed(topics)}. Answer with that topic alone.`,
  shots: (_, examples) => renderSystemPrompt({ examples }),
  role: (topics) =>
    `You are the porter of a big office. You hear a message and say at once where it belongs, in those words and no others: ${listed(topics)}.`,
  "conversation format": (topics) =>
    `Keep to the format of this conversation.\nUser: [a message]\nAssistant: [${topics.join(" | ")}]\nThe assistant's turn is one of these topics and nothing else.`,
  tools: (topics) =>
    `You have access to the following tools:\n${topics.map((topic) => `> ${topic}: useful for messages about ${topic}`).join("\n")}\nAnswer each message with the name of the tool to use, alone.`,
};

const methods = ["base", "prompted"] as const;
const pairMethods = ["specialized", "sibling-prompt"] as const;

/** Tasks of all kinds over the same topics and messages. A task of fewer messages has the first ones of more. */
export async function promptKindTasks(data: string, budget: Budget): Promise<EvalTask[]> {
  const read = async (split: "train" | "test") =>
    groupBy(
      (await readClinc(data, split)).filter(({ domain }) => domains.includes(domain)),
      ({ intent }) => intent,
    );
  const [shown, asked] = [await read("train"), await read("test")];
  const rng = createRng("prompt kinds");
  // As many tasks without a common topic as there are topics for, then the same topics in another order: every task has a sibling.
  const apart = Math.floor(asked.size / topicsPerTask);
  return Array.from({ length: tasksPerKind[budget] }, (_, i) => {
    const own = rng.split(`task ${i}`);
    const round = rng.split(`round ${Math.floor(i / apart)}`).shuffle([...asked.keys()]);
    const intents = round.slice((i % apart) * topicsPerTask, ((i % apart) + 1) * topicsPerTask);
    const inTurn = (rows: ReadonlyMap<string, readonly ClincRow[]>, name: string, count: number): Example[] => {
      const lists = intents.map((intent) => own.split(`${name} ${intent}`).shuffle([...(rows.get(intent) ?? [])]));
      const rounds = Array.from({ length: count }, (_, at) => lists.flatMap((list) => list[at] ?? []));
      return rounds.flat().map(({ text, intent }) => ({ input: text, target: topicOf(intent) }));
    };
    const examples = inTurn(shown, "examples", examplesPerTopic);
    const samples = inTurn(asked, "samples", Math.ceil(inputs[budget] / topicsPerTask)).slice(0, inputs[budget]);
    return Object.entries(kinds).map(([kind, promptOf]) =>
      EvalTask.parse({
        name: `${kind} ${i + 1}`,
        seed: 1,
        stratum: kind,
        kind,
        systemPrompt: promptOf(intents.map(topicOf), examples),
        examples,
        scorers: ["normalized", "exact"],
        samples,
      }),
    );
  }).flat();
}

const topicOf = (intent: string): string => intent.replaceAll("_", " ");

export async function promptKindsPage(context: Context): Promise<Page> {
  pairOf("prompt-kinds", context);
  const tasks = await promptKindTasks(context.data, context.budget);
  const lines = await askTasks(tasks, { id: "prompt-kinds", methods, pairMethods, timed }, context);
  const { strata } = summarize(lines);
  const rows = Object.entries(strata).map(([kind, { methods: reports, promptEffect }]) => {
    const { effect, low, high, tasks: n } = promptEffect!;
    return [
      kind,
      String(n),
      ...[...methods, ...pairMethods].map((name) => number(100 * reports[name]!.score)),
      `${signed(100 * effect)} [${signed(100 * low)}, ${signed(100 * high)}]`,
      ...(["inputTokens", "msPerQuery"] as const).map((key) => {
        const [prompted, specialized] = [reports["prompted"]![key], reports["specialized"]![key]];
        return prompted === null || specialized === null ? noCell : `${number(prompted / specialized)}×`;
      }),
    ];
  });
  return {
    text: paragraphs(
      `The paper says that task descriptions, examples, roles, formats of a conversation and tools can all be put into weights; it has a number for examples (table 2) and for tools (table 3) alone. Here the same ${tasksPerKind[context.budget]} tasks are told in each of the five ways: to which of ${topicsPerTask} topics a message belongs, ${inputs[context.budget]} messages each, CLINC150 (its domains travel and work, which no training prompt of the pair has). Answers are written freely and count where they are the topic but for case and punctuation: in %, means over tasks.`,
      table(
        [
          "kind of prompt",
          "tasks",
          ...methods,
          ...pairMethods,
          "prompt effect, 95 % by task",
          "compression ratio",
          "speed-up",
        ],
        rows,
      ),
      "Prompt effect: the specialised model minus the same model under a prompt of the same kind with other topics. A model that always says one topic of the prompt gets 25 %. Some messages name their topic in their own words: a model that copies from the message is right there whatever its prompt says, so that only the effect counts. The ratio is of tokens read. The speed-up is another thing: milliseconds of a prompted question, its whole prompt read and its answer written, by those of a specialised one, on this CPU.",
      `Timed: ${timed} questions of each task, each asked alone. Answers of the two models are not equally long, and that is in it.`,
      "An effect above 0 says that a prompt of this kind reaches the weights. It does not say that every prompt of this kind does: all of them ask for the same thing here, and the tools take no arguments.",
      oneSeed,
    ),
  };
}
