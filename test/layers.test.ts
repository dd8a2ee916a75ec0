/** @file Who may import whom. Arrows point down; a folder not listed here may not exist. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

/** What a model is made of, and what it stands on. */
const underModels = ["nn", "lora", "svf", "text", "files", "runtime", "graph", "base"] as const;
/** From a model to a specialised one that answers. */
const answering = ["pair", "generator", "constraint", "decode", "models"] as const;

const allowed: Record<string, readonly string[]> = {
  base: [],
  graph: ["base"],
  onnx: ["graph", "base"],
  runtime: ["onnx", "graph", "base"],
  nn: ["graph", "base"],
  optim: ["nn", "graph", "base"],
  text: ["files", "base"],
  files: ["base"],
  lora: ["nn", "files", "graph", "base"],
  svf: ["nn", "lora", "files", "runtime", "graph", "base"],
  models: underModels,
  hub: ["models", "text", "files", "base"],
  decode: ["models", "nn", "text", "files", "runtime", "graph", "base"],
  constraint: ["decode", "text", "base"],
  generator: ["models", "nn", "lora", "runtime", "graph", "base"],
  pair: [
    "generator",
    "constraint",
    "decode",
    "models",
    "nn",
    "lora",
    "text",
    "files",
    "hub",
    "runtime",
    "graph",
    "base",
  ],
  data: ["text", "files", "base"],
  // Searching is training without gradients, by what a mixture scores on examples; gates over a pair's pool are such a mixture.
  dispatch: ["train", "eval", "optim", "data", "pair", "generator", "decode", "models", ...underModels],
  // Preparing a model may take a training or a search, which scores.
  methods: ["dispatch", "eval", "train", "optim", "data", ...answering, ...underModels],
  eval: ["methods", "data", ...answering, ...underModels],
  train: ["eval", "data", "optim", "hub", ...answering, ...underModels],
  export: [...answering, "lora", "svf", "text", "files", "runtime", "onnx", "graph", "base"],
  server: ["dispatch", "export", "eval", ...answering, "text", "runtime", "graph", "base"],
  cli: [
    ...["server", "export", "eval", "methods", "dispatch", "train", "data", "optim", "hub", "onnx"],
    ...answering,
    ...underModels,
  ],
};

const root = resolve(import.meta.dirname, "../src");
const sources = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"));
const importPattern = /(?:from|import\()\s*"([^"]+)"/g;

/** `#runtime` is the runtime of Node here, and the browser's there. */
const resolveImport = (path: string, specifier: string, runtime = "node"): string =>
  specifier === "#runtime" ? join(root, `runtime/${runtime}.ts`) : resolve(root, dirname(path), specifier);

/** Packages that only one file or folder may import. */
const owners: readonly { pattern: RegExp; may: RegExp }[] = [
  { pattern: /^onnxruntime-/, may: /^runtime\// },
  { pattern: /^(onnx-buf|@bufbuild\/)/, may: /^onnx\/proto\.ts$/ },
  { pattern: /^commander$/, may: /^cli\// },
  { pattern: /^(hono|@hono\/)/, may: /^server\// },
];

test.each(sources)("%s imports only what its folder may", (path) => {
  const top = path.includes("/") ? path.split("/")[0]! : undefined;
  const text = readFileSync(join(root, path), "utf8");
  for (const [, specifier] of text.matchAll(importPattern)) {
    if (/^[.#]/.test(specifier!)) {
      if (top === undefined) continue; // src/index.ts re-exports from everywhere
      const target = relative(root, resolveImport(path, specifier!)).split("/")[0]!;
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

/** A circle of imports as a path back to where it began; types count: who reads one file of a circle has to read them all. */
function circles(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, above: readonly string[]): void => {
    const from = above.indexOf(file);
    if (from >= 0) found.push([...above.slice(from), file].join(" → "));
    if (from >= 0 || done.has(file)) return;
    for (const next of imports.get(file) ?? []) visit(next, [...above, file]);
    done.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
  return found;
}

test.each(["node", "web"])("no file imports itself by way of others, types included (runtime: %s)", (runtime) => {
  const imports = new Map(
    sources
      .filter((path) => !path.endsWith(".test.ts"))
      .map((path) => {
        const specifiers = [...readFileSync(join(root, path), "utf8").matchAll(importPattern)].map(([, name]) => name!);
        const own = specifiers.filter((specifier) => /^[.#]/.test(specifier));
        return [path, own.map((specifier) => relative(root, resolveImport(path, specifier, runtime)))] as const;
      }),
  );
  expect(circles(imports)).toEqual([]);
  const [first] = imports.keys();
  const bent = new Map([...imports, ["base/errors.ts", [first!]]]); // what everything imports, imports something
  expect(circles(bent)).not.toEqual([]);
});

/** What a file loads: files of ours, and packages. Types are left out. */
function loads(path: string, runtime: "node" | "web"): { readonly files: string[]; readonly packages: string[] } {
  const valueImport = /^(?:import(?! type\b)|export(?! type\b)|\}).*?(?:from |import\()"([^"]+)"|^import "([^"]+)"/gm;
  const found = [...readFileSync(join(root, path), "utf8").matchAll(valueImport)].map(
    ([, from, bare]) => from ?? bare!,
  );
  const isOwn = (specifier: string) => /^[.#]/.test(specifier);
  return {
    files: found.filter(isOwn).map((specifier) => relative(root, resolveImport(path, specifier, runtime))),
    packages: found.filter((specifier) => !isOwn(specifier)),
  };
}

test("what the browser loads needs nothing of Node", () => {
  const seen = new Set(["browser.ts"]);
  const found: string[] = [];
  for (const path of seen) {
    const { files, packages } = loads(path, "web");
    for (const file of files) seen.add(file);
    for (const name of packages) if (/^node:|^onnxruntime-node$/.test(name)) found.push(`${path} imports ${name}`);
    for (const [used] of readFileSync(join(root, path), "utf8").matchAll(/\b(?:Buffer|process)\.\w+/g))
      found.push(`${path} uses ${used}`);
  }
  expect(seen.size).toBeGreaterThan(5);
  expect(found).toEqual([]);
});

/** Rooms where everything but `…-file.ts` can do without a disk. */
const pureRooms = ["graph", "onnx", "nn", "optim", "generator", "constraint", "decode", "text", "pair"];

test("x.ts is pure and x-file.ts touches the disk: beside each other everywhere, and without exception in the rooms that a browser loads", () => {
  const known = new Map<string, boolean>();
  /** Whether a file loads what opens files, itself or by way of others. */
  const needsDisk = (path: string): boolean => {
    if (!known.has(path)) {
      const { files, packages } = loads(path, "web");
      known.set(path, packages.some((name) => /^node:fs|^onnxruntime-node$/.test(name)) || files.some(needsDisk));
    }
    return known.get(path)!;
  };
  const own = sources.filter((path) => !path.endsWith(".test.ts"));
  const pure = own.filter((path) => !path.endsWith("-file.ts") && pureRooms.includes(path.split("/")[0]!));
  const besideFiles = own.filter((path) => own.includes(path.replace(/\.ts$/, "-file.ts")));
  expect(pure.length).toBeGreaterThan(90);
  expect(besideFiles.length).toBeGreaterThan(10);
  expect([...new Set([...pure, ...besideFiles])].filter(needsDisk)).toEqual([]);
  expect(own.filter((path) => path.endsWith("-file.ts") && !needsDisk(path))).toEqual([]);
});

test("only the command line reads the environment, and the runtime, which holds for the library too, how many threads there are", () => {
  const written = 'process.env["ORT_DISABLE_TELEMETRY"] = "1";'; // by the runtime: ONNX Runtime has no other switch
  const readers = sources.filter(
    (path) =>
      !path.endsWith(".test.ts") && /process\.env/.test(readFileSync(join(root, path), "utf8").replace(written, "")),
  );
  expect(readers.filter((path) => !path.startsWith("cli/"))).toEqual(["runtime/threads.ts"]);
});

test("files are opened for reading in one place, which knows pipes, devices and files without end", () => {
  const raw = /\b(?:readFile|readFileSync|createReadStream|copyFile|cp)\b[^;]*from "node:fs/;
  const readers = sources.filter(
    (path) => !path.endsWith(".test.ts") && raw.test(readFileSync(join(root, path), "utf8")),
  );
  expect(readers).toEqual(["base/process-identity.ts", "base/read-file.ts"]); // the first reads what the system says of processes
});

test("nothing is printed past the filter of the terminal", () => {
  const direct = /process\.(?:stdout|stderr)\.write|\bconsole\.\w/;
  const printers = sources.filter(
    (path) => !path.endsWith(".test.ts") && direct.test(readFileSync(join(root, path), "utf8")),
  );
  expect(printers).toEqual(["cli/context.ts", "cli/main.ts"]); // where there is no context yet, or no output any more
});

test("docs/architecture.md gives the reason for every large folder and for every file that imports much", () => {
  const page = readFileSync(resolve(root, "../docs/architecture.md"), "utf8");
  const most = 15;
  const own = sources.filter((path) => !path.endsWith(".test.ts"));
  const folders = own.map((path) => join("src", dirname(path)));
  const large = [...new Set(folders)].filter((folder) => folders.filter((other) => other === folder).length > most);
  const busy = own.filter((path) => [...readFileSync(join(root, path), "utf8").matchAll(importPattern)].length > most);
  const named = [...large, ...busy.map((path) => path.replace(/\.ts$/, ""))];
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});

test("no source file is longer than 500 lines", () => {
  const long = sources.filter((path) => readFileSync(join(root, path), "utf8").split("\n").length > 500);
  expect(long).toEqual([]);
});

test("the page takes nothing of src but types", () => {
  const page = resolve(import.meta.dirname, "../web");
  const files = readdirSync(page, { recursive: true, encoding: "utf8" }).filter((path) => /\.tsx?$/.test(path));
  expect(files.length).toBeGreaterThan(5);
  for (const path of files)
    for (const [line] of readFileSync(join(page, path), "utf8").matchAll(/^import .*from "[^"]*\/src\/[^"]*";$/gm))
      expect(line, path).toMatch(/^import type /);
});
