/** @file What the answers of the pair that ships to its own test tasks, which are kept in the repository, say of claims of the documents. */
import { join } from "node:path";
import { checkSchema } from "../../src/base/json.ts";
import { LogLine } from "../../src/eval/log.ts";
import { summarize } from "../../src/eval/report.ts";
import { mean } from "../../src/eval/statistics.ts";
import { readJsonl } from "../../src/files/jsonl.ts";
import { number, signed, table } from "./markdown.ts";

const folder = join(import.meta.dirname, "../smollm2/results/test");
const files = ["rules", "labels-and-super-ni", "synthetic"] as const;
const specialized = "specialized";
const shots = "prompted-5shot";

/** A row for each stratum: the specialised model against five examples in the context and against one LoRA for all tasks, and what each reads. */
export async function keptTable(): Promise<string> {
  const lines = await keptLines();
  const [lora] = new Set(lines.map(({ method }) => method).filter((method) => method.startsWith("lora:")));
  const asked = lines.filter(({ method }) => [specialized, shots, lora].includes(method));
  const rows = Object.entries(summarize(asked).strata).map(([stratum, { methods, comparisons }]) => {
    const against = (other: string) => {
      const { difference, low, high } = comparisons.find((one) => one.against === other)!;
      return `${signed(100 * difference)} [${signed(100 * low)}, ${signed(100 * high)}]`;
    };
    const of = (method: string) => asked.filter((line) => line.stratum === stratum && line.method === method);
    const times = (key: "inputTokens" | "flops") => number(meanOf(of(shots), key) / meanOf(of(specialized), key));
    const { tasks, n, score } = methods[specialized]!;
    return [
      stratum,
      tasks,
      n,
      number(100 * score),
      against(lora!),
      against(shots),
      `${times("inputTokens")}×`,
      `${times("flops")}×`,
    ];
  });
  return table(
    [
      "stratum",
      "tasks",
      "answers",
      "specialised, %",
      "− one LoRA for all",
      "− five examples",
      "compression ratio",
      "speed-up of reading, in operations",
    ],
    rows,
  );
}

const meanOf = (lines: readonly LogLine[], key: "inputTokens" | "flops"): number =>
  mean(lines.flatMap((line) => line[key] ?? []));

async function keptLines(): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  for (const name of files) {
    const path = join(folder, `${name}.jsonl.gz`);
    for await (const value of readJsonl(path)) lines.push(checkSchema(value, LogLine, { what: path }));
  }
  return lines;
}
