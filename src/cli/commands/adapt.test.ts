import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { recordingContext } from "../../../test/support/cli-context.ts";
import { writeTinyPair } from "../../../test/support/tiny-pair.ts";
import { createRng } from "../../base/rng.ts";
import { svfMaps } from "../../models/decomposable.ts";
import { openModel } from "../../models/model-file.ts";
import { readExpert, writeExpert } from "../../svf/expert-file.ts";
import { runCli } from "../program.ts";

const root = mkdtempSync(join(tmpdir(), "adapt-command-"));
const at = (name: string) => join(root, name);
beforeAll(async () => {
  await writeTinyPair(at("pair"));
  const model = await openModel(at("pair/edge"));
  for (const name of ["tall", "wide"]) {
    const rng = createRng(name);
    const factors = () => Float32Array.from({ length: 8 }, () => 4 * rng.next());
    const scales = new Map(svfMaps(model.config, "feed-forward").map(({ weight }) => [weight, factors()]));
    await writeExpert(at(`skills/${name}.safetensors`), {
      modelSha256: model.sha256,
      scales,
      renormalize: false,
      madeBy: {},
    });
  }
  const lines = ["cat", "dog", "bird"].map((input) => JSON.stringify({ input, target: "the bird" }));
  writeFileSync(at("examples.jsonl"), lines.join("\n"));
});
afterAll(() => rmSync(root, { recursive: true }));

type Json = Record<string, unknown> & { readonly error?: { readonly code: string; readonly message: string } };

async function adapt(...args: string[]) {
  const { context, written } = recordingContext();
  const common = ["--pair", at("pair"), "--skills", at("skills"), "--threads", "1", "--max-tokens", "4"];
  const status = await runCli(["adapt", ...common, ...args], context);
  return { status, ...written };
}

async function adaptJson(...args: string[]): Promise<Json> {
  const { stdout } = await adapt(...args, "--json");
  return JSON.parse(stdout) as Json;
}

const quick = ["--generations", "2", "--population", "4"];

test("a first pass names a skill for each question; what that costs is said of each and of all", async () => {
  const { status, stderr, stdout } = await adapt("--input", "cat", "--input", "dog", "--input", "cat");
  expect(status).toBe(0);
  expect(stdout.split("\n").length).toBeGreaterThanOrEqual(4);
  expect(stderr.match(/^(tall|wide|other): first pass [\d.]+ m?s, second [\d.]+ m?s, \d tokens?$/gm)).toHaveLength(3);
  expect(stderr).toMatch(/^3 questions: choosing took .* a question, \d+\.\d % of all$/m);
});

test("examples find a mixture, which is drawn, answers, and is kept as one skill", async () => {
  const args = ["--examples", at("examples.jsonl"), "--per-layer", ...quick, "--out", at("mixed"), "--input", "cat"];
  const { status, stderr } = await adapt(...args);
  expect(status, stderr).toBe(0);
  expect(stderr).toContain("3 examples, each asked by 8 mixtures");
  expect(stderr).toMatch(/^ {2}generation 1 /m);
  expect(stderr).toMatch(/^ {2}layer 0 /m);
  expect(stderr).toMatch(/^mixture: second/m);
  const { madeBy, scales } = await readExpert(at("mixed"));
  expect(madeBy).toMatchObject({ by: "adapt", skills: "tall wide", search: "cem", examples: "3", evaluations: "8" });
  expect([...scales.values()][0]!.length).toBe(8);
  const { context, written } = recordingContext();
  expect(await runCli(["inspect", at("mixed/expert.safetensors")], context)).toBe(0);
  const [shares, moved] = written.stdout.split("how far factors are from their mean");
  expect(shares).toMatch(/shares of its skills.*\n.*\nlayer 0 /);
  expect(moved).toMatch(/layer 1 /);
  const drawn = recordingContext();
  expect(await runCli(["plot", at("mixed")], drawn.context)).toBe(0);
  expect(drawn.written.stdout).toMatch(/mixed: shares of skills by cem, best \d+\.\d % at generation \d/);
  const svg = readFileSync(at("mixed/chart.svg"), "utf8");
  for (const name of ["tall", "wide", "base model", "an equal share of each"]) expect(svg).toContain(name);
  expect((await adaptJson(...args)).error?.code).toBe("E_USAGE"); // something lies there now
  expect(await adaptJson(...args.slice(0, -4))).toMatchObject({ error: { code: "E_USAGE" } });
  const again = await adaptJson(...args.filter((arg) => arg !== "--out" && arg !== at("mixed")));
  expect(again).toMatchObject({
    by: "cem",
    search: { evaluations: 8, history: [{ generation: 0 }, { generation: 1 }] },
  });
});

test.each([
  ["no question and nothing to write", [], "E_USAGE"],
  ["a mixture to keep without examples", ["--out", "never"], "E_USAGE"],
  ["more shots than examples", ["--examples", "examples.jsonl", "--shots", "4", "--out", "never"], "E_DATA"],
  ["examples without targets", ["--examples", "blank.jsonl", "--out", "never"], "E_FORMAT"],
  ["no examples", ["--examples", "none.jsonl", "--out", "never"], "E_DATA"],
  ["--shots without examples", ["--shots", "2", "--input", "x"], "E_USAGE"],
  ["--search without examples", ["--search", "random", "--input", "x"], "E_USAGE"],
  ["--per-layer without examples", ["--per-layer", "--input", "x"], "E_USAGE"],
  ["--generations without examples", ["--generations", "2", "--input", "x"], "E_USAGE"],
  ["--population without examples", ["--population", "4", "--input", "x"], "E_USAGE"],
  ["--scorer without examples", ["--scorer", "exact", "--input", "x"], "E_USAGE"],
  // Looked at first: the pair is not even there.
  ["decompositions into a file", ["--svd-cache", "blank.jsonl", "--pair", "never", "--input", "x"], "E_IO"],
  ["no classifier", ["--by", "classifier", "--input", "x"], "E_NOT_FOUND"],
])("%s: refused, nothing written", async (_, args, code) => {
  writeFileSync(at("blank.jsonl"), `{"input": "x"}\n`);
  writeFileSync(at("none.jsonl"), "\n");
  const inRoot = args.map((arg) => (/jsonl|never/.test(arg) ? at(arg) : arg));
  expect((await adaptJson(...inRoot)).error?.code).toBe(code);
  expect(existsSync(at("never"))).toBe(false);
});
