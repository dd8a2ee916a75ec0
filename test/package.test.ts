/** @file What package.json promises: its version, entries that have a source, dependencies that are used. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { version } from "../src/base/version.ts";

const root = resolve(import.meta.dirname, "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");

const Package = z.object({
  name: z.string(),
  version: z.string(),
  bin: z.record(z.string(), z.string()),
  exports: z.record(z.string(), z.strictObject({ types: z.string(), default: z.string() })),
  files: z.array(z.string()),
  imports: z.record(z.string(), z.record(z.string(), z.string())),
  peerDependencies: z.record(z.string(), z.string()),
  scripts: z.record(z.string(), z.string()),
  dependencies: z.record(z.string(), z.string()),
  devDependencies: z.record(z.string(), z.string()),
});
const manifest = Package.parse(JSON.parse(read("package.json")));

/** Packages that the TypeScript files of a folder import: `@scope/name`, or `name` without a path behind it. */
function importedPackages(folder: string, isIncluded: (path: string) => boolean = () => true): Set<string> {
  const names = new Set<string>();
  for (const path of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })) {
    if (!/\.tsx?$/.test(path) || !isIncluded(path)) continue;
    for (const [, specifier] of read(join(folder, path)).matchAll(/^(?:import|export|\}) .*from "([^".#][^"]*)";$/gm))
      if (!specifier!.startsWith("node:")) names.add(/^(?:@[^/]+\/)?[^/]+/.exec(specifier!)![0]);
  }
  return names;
}

const isTest = (path: string) => path.endsWith(".test.ts");

/** The source that the build turns into a file of `dist`. */
const sourceOf = (built: string) => built.replace(/^(\.\/)?dist\//, "src/").replace(/(\.d\.ts|\.js)$/, ".ts");

test("the version in the code is the package's", () => {
  expect(version).toBe(manifest.version);
});

test("the newest entry of the changelog is about this version", () => {
  expect(/^## \[([^\]]+)\]/m.exec(read("CHANGELOG.md"))?.[1]).toBe(version);
});

test.each(Object.entries(manifest.bin))("the command %s has a source that starts Node", (_, built) => {
  expect(read(sourceOf(built)).startsWith("#!/usr/bin/env node\n")).toBe(true);
});

test.each(Object.entries(manifest.exports))("the entry %s has a source, and types from the same", (_, entry) => {
  expect(existsSync(join(root, sourceOf(entry.default)))).toBe(true);
  expect(sourceOf(entry.types)).toBe(sourceOf(entry.default));
});

test.each(Object.values(manifest.imports).flatMap((conditions) => Object.values(conditions)))(
  "the inner entry %s has a source",
  (built) => {
    expect(existsSync(join(root, sourceOf(built)))).toBe(true);
  },
);

test("every folder that is published exists, or is built", () => {
  const named = manifest.files.map((name) => name.replace(/^!/, "")); // "!" leaves out
  const missing = named.filter((name) => name !== "dist" && !existsSync(join(root, name)));
  expect(missing).toEqual([]);
  const build = z.object({ compilerOptions: z.object({ outDir: z.string(), rootDir: z.string() }) });
  expect(build.parse(JSON.parse(read("tsconfig.build.json"))).compilerOptions).toEqual({
    outDir: "dist",
    rootDir: "src",
  });
});

test("what README.md links to is published, but for what only a checkout has use for", () => {
  const inCheckout = ["CONTRIBUTING.md", "runs"];
  const links = [...read("README.md").matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, path]) => path!.split("/")[0]!);
  expect(links.length).toBeGreaterThan(5);
  expect([...new Set(links)].filter((name) => ![...manifest.files, ...inCheckout].includes(name))).toEqual([]);
});

test("no source maps are built: the sources that they point to are not published", () => {
  const build = z.object({ compilerOptions: z.object({ sourceMap: z.boolean().default(false) }) });
  expect(build.parse(JSON.parse(read("tsconfig.build.json"))).compilerOptions.sourceMap).toBe(false);
});

test("the sources import every dependency, and nothing else", () => {
  const imported = importedPackages("src", (path) => !isTest(path));
  const declared = { ...manifest.dependencies, ...manifest.peerDependencies };
  expect([...imported].sort()).toEqual(Object.keys(declared).sort());
});

test("tests, benches and examples import only what is declared", () => {
  const declared = [manifest.name, ...Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })];
  for (const folder of ["src", "test", "bench", "examples", "runs", "web"]) {
    for (const name of importedPackages(folder)) expect(declared).toContain(name);
  }
});

test("every development dependency is imported or run by a script", () => {
  const imported = new Set(["src", "test", "bench", "web"].flatMap((folder) => [...importedPackages(folder)]));
  const configured = read("vitest.config.ts") + read("CONTRIBUTING.md") + Object.values(manifest.scripts).join("\n");
  /** How a package is called where that is not its name. */
  const command: Readonly<Record<string, string>> = {
    "@biomejs/biome": "biome ",
    "@types/node": "vitest", // types of what every source imports
    "@vitest/coverage-v8": "--coverage",
    typescript: "tsc ",
  };
  const unused = Object.keys(manifest.devDependencies).filter(
    (name) => !imported.has(name) && !configured.includes(command[name] ?? name),
  );
  expect(unused).toEqual([]);
});

const Lock = z.object({
  packages: z.record(
    z.string(),
    z.looseObject({
      integrity: z.string().optional(),
      hasInstallScript: z.boolean().optional(),
      optionalDependencies: z.record(z.string(), z.string()).optional(),
    }),
  ),
});
const { packages } = Lock.parse(JSON.parse(read("package-lock.json")));

test("the lock file vouches for the content of every package", () => {
  // Of these, which are optional and for other systems, the registry has no such version to vouch for; npm asks for the entry all the same.
  const absent = ["mac-arm64-metal", "mac-x64", "win-arm64", "win-x64"].map(
    (system) => `node_modules/@node-llama-cpp/${system}`,
  );
  const without = Object.entries(packages).filter(
    ([path, { integrity }]) => path !== "" && !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? ""),
  );
  expect(without.map(([path]) => path).sort()).toEqual(absent);
});

test("installing a checkout does not run ONNX Runtime's script, which fetches CUDA from another host", () => {
  // npm install or an update may put "hasInstallScript" back: take it out again (docs/decisions/0007-onnxruntime-install-switch.md).
  expect(packages["node_modules/onnxruntime-node"]).toBeDefined();
  expect(packages["node_modules/onnxruntime-node"]!.hasInstallScript).toBeUndefined();
});

test("npm has no settings here that it could warn of", () => {
  expect(existsSync(join(root, ".npmrc"))).toBe(false);
});

test("the lock file names every platform's optional packages, without which npm ci refuses it", () => {
  const missing = Object.entries(packages).flatMap(([owner, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) =>
        packages[`node_modules/${name}`] === undefined && packages[`${owner}/node_modules/${name}`] === undefined,
    ),
  );
  expect(missing).toEqual([]);
});
