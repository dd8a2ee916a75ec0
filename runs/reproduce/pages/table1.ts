/** @file `table1`: four properties of five methods, derived from what each method of this program needs. */
import { costsOf } from "../../../src/eval/costs.ts";
import type { Needs, Subject } from "../../../src/methods/method.ts";
import { parseMethods } from "../../../src/methods/table.ts";
import { ask } from "../ask.ts";
import { type Asking, askTrained, generator, rivals, trainedNote } from "../ask-trained.ts";
import { number, paragraphs, table, words } from "../markdown.ts";
import { table1 as printed } from "../paper.ts";
import type { Context, Page } from "../row.ts";
import { oneSeed, pairOf } from "../shipped-pair.ts";

/** The paper's five methods by their names here. */
const named: { readonly [M in keyof typeof printed]: string } = {
  ICL: "prompted-5shot",
  LoRA: "lora:FOLDER",
  "LoRA-MoE": "loramoe:FILE",
  LoraHub: "lorahub-5shot:FOLDER",
  "LoRA-Gen": "specialized-5shot",
};

type Known = { readonly needs: Needs; readonly readsByAnother: boolean };

const properties: readonly { readonly name: string; readonly rule: string; readonly holds: (of: Known) => boolean }[] =
  [
    {
      name: "context compression for unseen tasks",
      rule: "something reads a prompt once, so that questions come without it, and no task needs a training of its own",
      holds: ({ needs }) => needs.training !== "each task" && needs.beside === "each prompt",
    },
    {
      name: "reparameterised",
      rule: "what was learnt is in the weights: it is no text in the context, and nothing runs beside the model at a question",
      holds: ({ needs }) => needs.training !== "nothing" && needs.beside !== "each question",
    },
    {
      name: "inference-time specialising",
      rule: "a prompt or a question decides, without a training or a search for the task",
      holds: ({ needs }) => needs.training === "nothing" || needs.beside !== "nothing",
    },
    {
      name: "knowledge transfer",
      rule: "another model than the one that answers takes part",
      holds: ({ readsByAnother }) => readsByAnother,
    },
  ];

/** Which of the four properties a method has. */
export function propertiesOf(name: string): boolean[] {
  const method = parseMethods([name])[0]!;
  // A method that refuses a model alone needs the cloud model of a pair.
  const alone = {} as Subject;
  const task = { examples: new Array(5).fill({ input: "i", target: "t" }), labels: ["t", "u"] };
  const refusal = method.refuses?.(alone, task as unknown as Parameters<NonNullable<typeof method.refuses>>[1]);
  const known = { needs: method.needs, readsByAnother: refusal?.includes("generator") === true };
  return properties.map(({ holds }) => holds(known));
}

const mark = (holds: boolean | undefined): string => (holds === undefined ? "?" : holds ? "✓" : "✗");

export async function table1Page(context: Context): Promise<Page> {
  pairOf("table1", context);
  const asked = { suites: ["arc-c"], items: { minutes: 2, hours: 50, full: 50 }, timed: 3 };
  const asking: Asking = (how, of) => ask({ ...asked, ...how }, of);
  const asks = {
    methods: ["base", "prompted-5shot"],
    pairMethods: ["specialized-5shot"],
    wanted: [...rivals(5), { of: "lorahub", forms: ["lorahub-5shot"] } as const, generator("specialized-5shot")],
  };
  const { lines, ...trained } = await askTrained("table1", asks, asking, context);
  const rows = Object.entries(named).map(([method, name]) => {
    const said: readonly (boolean | undefined)[] = printed[method as keyof typeof printed];
    return [
      method,
      `\`${name}\``,
      ...propertiesOf(name).map((holds, i) =>
        holds === said[i] ? mark(holds) : `${mark(holds)} (paper: ${mark(said[i])})`,
      ),
    ];
  });
  return {
    text: paragraphs(
      "Not typed in: each mark follows from the two facts that every method of this program states, what was trained beforehand and what runs beside a question, and from whether it works without a second model. A mark that is not the paper's stands beside it; the paper's second mark of LoraHub is a picture that cannot be read.",
      words(["method", "here", ...properties.map(({ name }) => name)], rows),
      ["The rules:", "", ...properties.map(({ name, rule }) => `- **${name}**: ${rule}.`)].join("\n"),
      "The rules were written with the paper's marks at hand, so that they agree is no finding; that they can be stated by what a method needs is. A mark says what a method can do by its making, not how well. In the pair that ships cloud and edge are the same model: no knowledge is transferred in it. Its edge model stays in the blocks of its GGUF file with the LoRA beside it, which the ledger shows; merged into fp32 weights a LoRA costs no operation.",
      "## What it takes",
      "The ledger of costs on ARC-Challenge with five examples.",
      table(
        [
          "method",
          "tokens of a question",
          "MFLOP of reading it",
          "ms",
          "MFLOP once a prompt",
          "bytes kept",
          "questions until it pays back",
        ],
        costsOf(lines, "prompted-5shot").map(({ method, preparing, question, paysBackAfter }) => [
          method,
          number(question?.tokens ?? 0, 0),
          number((question?.flops ?? 0) / 1e6, 0),
          number(question?.ms ?? 0, 0),
          number(preparing.flops / 1e6, 0),
          number(preparing.bytes, 0),
          paysBackAfter === null || preparing.flops === 0 ? "–" : String(paysBackAfter),
        ]),
      ),
      ...trainedNote(trained),
      oneSeed,
    ),
  };
}
