/** @file Who may import whom. Arrows point down; a folder not listed here may not exist. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const allowed: Record<string, readonly string[]> = {
  base: [],
  graph: ["base"],
  onnx: ["graph", "base"],
  runtime: ["onnx", "graph", "base"],
  nn: ["graph", "base"],
  optim: ["nn", "graph", "base"],
  text: ["base"],
  files: ["base"],
  lora: ["nn", "files", "graph", "base"],
  models: ["nn", "lora", "text", "files", "runtime", "graph", "base"],
  generator: ["decode", "models", "nn", "lora", "text", "files", "runtime", "graph", "base"],
  decode: ["models", "nn", "text", "files", "runtime", "graph", "base"],
  data: ["text", "files", "base"],
  train: ["data", "generator", "decode", "models", "optim", "nn", "lora", "text", "files", "runtime", "graph", "base"],
  eval: ["data", "generator", "decode", "models", "nn", "lora", "text", "files", "runtime", "graph", "base"],
  cli: [
    "eval",
    "train",
    "data",
    "generator",
    "decode",
    "models",
    "optim",
    "nn",
    "lora",
    "text",
    "files",
    "runtime",
    "onnx",
    "graph",
    "base",
  ],
};

const root = resolve(import.meta.dirname, "../src");
const sources = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"));
const importPattern = /(?:from|import\()\s*"([^"]+)"/g;

/** Packages that only one file or folder may import. */
const owners: readonly { pattern: RegExp; may: RegExp }[] = [
  { pattern: /^onnxruntime-/, may: /^runtime\// },
  { pattern: /^(onnx-buf|@bufbuild\/)/, may: /^onnx\/proto\.ts$/ },
  { pattern: /^commander$/, may: /^cli\// },
];

test.each(sources)("%s imports only what its folder may", (path) => {
  const top = path.includes("/") ? path.split("/")[0]! : undefined;
  const text = readFileSync(join(root, path), "utf8");
  for (const [, specifier] of text.matchAll(importPattern)) {
    if (specifier!.startsWith(".")) {
      if (top === undefined) continue; // src/index.ts re-exports from everywhere
      const target = relative(root, resolve(root, dirname(path), specifier!)).split("/")[0]!;
      if (target === top || (target === ".." && path.endsWith(".test.ts"))) continue;
      expect(allowed[top], `${path}: folder "${top}" is not in the table`).toBeDefined();
      expect(allowed[top], `${path} imports ${specifier}`).toContain(target);
    } else {
      for (const { pattern, may } of owners) {
        if (pattern.test(specifier!) && !path.endsWith(".test.ts"))
          expect(path, `${path} imports ${specifier}`).toMatch(may);
      }
    }
  }
});

test("only the command line reads the environment", () => {
  const readers = sources.filter(
    (path) => !path.endsWith(".test.ts") && /process\.env/.test(readFileSync(join(root, path), "utf8")),
  );
  expect(readers.filter((path) => !path.startsWith("cli/"))).toEqual([]);
});

test("no source file is longer than 500 lines", () => {
  const long = sources.filter((path) => readFileSync(join(root, path), "utf8").split("\n").length > 500);
  expect(long).toEqual([]);
});
