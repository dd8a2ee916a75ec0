/** @file The rows as Markdown tables, for docs/real-size.md. */
import { besideLlamaCpp } from "./beside-llama-cpp.ts";
import { peerTypeOf } from "./decodings.ts";
import { markdownTable } from "./markdown.ts";
import type { Row } from "./rows.ts";
import { realModelNames } from "./shapes.ts";

type Column = { readonly title: string; readonly cell: (row: Row) => string };
type Section = {
  readonly title: string;
  readonly takes: (row: Row) => boolean;
  readonly columns: readonly Column[];
};

const number = (name: string, digits: number) => (row: Row) => {
  const value = row.values[name];
  return value === undefined ? "" : value.toFixed(digits);
};
const model: Column = { title: "model", cell: (row) => row.model };
const weights: Column = { title: "weights", cell: (row) => row.measurement.split(" ")[1] ?? "" };
const gigabytes = (name: string) => (row: Row) => {
  const value = row.values[name];
  return value === undefined ? "" : (value / 1000).toFixed(1);
};
const memoryOf =
  (prefix = "") =>
  (row: Row) => {
    const [own, mapped] = [gigabytes(`${prefix}own MB`)(row), gigabytes(`${prefix}mapped MB`)(row)];
    return own === "" ? "" : `${own} + ${mapped}`;
  };
const memory: Column = { title: "GB own + mapped", cell: memoryOf() };
const peerType: Column = {
  title: "llama.cpp",
  cell: ({ measurement, values }) => (values["llama.cpp load s"] === undefined ? "" : (peerTypeOf(measurement) ?? "")),
};
/** Ours, the peer's, our share of the peer's, and the interval of that where it was measured in rounds enough. */
function beside(step: string): Column[] {
  const ratio = `${step}, ours / llama.cpp`;
  const interval = (row: Row): string => {
    const [low, high] = [number(`${ratio}, low`, 2)(row), number(`${ratio}, high`, 2)(row)];
    return low === "" ? "" : `${low} to ${high}`;
  };
  return [
    { title: "tokens/s", cell: number(`${step} tokens/s`, 1) },
    { title: "llama.cpp tokens/s", cell: number(`llama.cpp ${step} tokens/s`, 1) },
    { title: "ours / llama.cpp", cell: number(ratio, 2) },
    { title: "95 %", cell: interval },
  ];
}
const isRun = ({ measurement }: Row): boolean => measurement.startsWith("run ");

const sections: readonly Section[] = [
  { title: "Reading a prompt", takes: isRun, columns: [model, weights, peerType, ...beside("prefill")] },
  { title: "Decoding", takes: isRun, columns: [model, weights, peerType, ...beside("decode")] },
  {
    title: "Loading",
    takes: isRun,
    columns: [
      model,
      weights,
      peerType,
      { title: "s", cell: number("load s", 1) },
      { title: "llama.cpp s", cell: number("llama.cpp load s", 1) },
      memory,
      { title: "llama.cpp GB own + mapped", cell: memoryOf("llama.cpp ") },
    ],
  },
  {
    title: "Quantising once",
    takes: ({ measurement }) => measurement.startsWith("quantize "),
    columns: [
      model,
      weights,
      { title: "s", cell: number("quantize s", 0) },
      memory,
      { title: "GB before", cell: gigabytes("bf16 MB") },
      { title: "GB after", cell: gigabytes("quantised MB") },
    ],
  },
  {
    title: "A training step of 8 experts of rank 16",
    takes: ({ measurement }) => measurement.startsWith("train "),
    columns: [
      model,
      { title: "step s", cell: number("step s", 1) },
      { title: "PyTorch s", cell: number("PyTorch step s", 1) },
      { title: "PyTorch / ours", cell: number("PyTorch time / ours", 2) },
      { title: "peak GB", cell: gigabytes("peak MB") },
      { title: "PyTorch peak GB", cell: gigabytes("PyTorch peak MB") },
    ],
  },
  {
    title: "A whole training step of a generator",
    takes: ({ measurement }) => measurement.startsWith("generator "),
    columns: [
      { title: "cloud", cell: ({ model: name, measurement }) => `${name}, ${measurement.split(" ")[1]}` },
      { title: "edge", cell: ({ about }) => String(about["edge"] ?? "") },
      { title: "activations", cell: ({ about }) => (about["recompute"] === true ? "computed again" : "kept") },
      { title: "step s", cell: number("step s", 1) },
      { title: "PyTorch s", cell: number("PyTorch step s", 1) },
      { title: "PyTorch / ours", cell: number("PyTorch time / ours", 2) },
      memory,
      { title: "peak GB", cell: gigabytes("peak MB") },
      { title: "PyTorch peak GB", cell: gigabytes("PyTorch peak MB") },
    ],
  },
  {
    title: "Specialising",
    takes: ({ measurement }) => measurement.startsWith("specialize "),
    columns: [
      { title: "cloud", cell: (row) => row.model },
      weights,
      { title: "prompt tokens", cell: (row) => String(row.about["promptTokens"] ?? "") },
      { title: "open s", cell: number("open s", 1) },
      { title: "compile s", cell: number("compile s", 1) },
      { title: "specialise s", cell: number("specialize s", 1) },
      memory,
    ],
  },
];

const { compare } = new Intl.Collator("en", { numeric: true });

/** In the order of `shapes.ts`, and by the name of the measurement, numbers in it as numbers. */
const inOrder = (a: Row, b: Row): number => place(a) - place(b) || compare(a.measurement, b.measurement);

const place = ({ model }: Row): number => {
  const at = (realModelNames as readonly string[]).indexOf(model);
  return at < 0 ? realModelNames.length : at;
};

/** One table for every kind of measurement that has rows, behind a summary of those beside llama.cpp. */
export function markdownTables(rows: readonly Row[]): string {
  const beside = besideLlamaCpp(rows);
  const summary = beside === "" ? [] : [`**Beside llama.cpp**, tokens/s of ours over its own\n\n${beside}\n`];
  const tables = sections.flatMap(({ title, takes, columns }) => {
    const own = rows.filter(takes).sort(inOrder);
    if (own.length === 0) return [];
    const table = markdownTable(
      columns.map((column) => column.title),
      own.map((row) => columns.map(({ cell }) => cell(row))),
      (name, i) => i < 2 || name === peerType.title,
    );
    return [`**${title}**\n\n${table}\n`];
  });
  return [...summary, ...tables].join("\n");
}
