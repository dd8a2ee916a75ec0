import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { recordingContext } from "../../../test/support/cli-context.ts";
import { writeTinyPair } from "../../../test/support/tiny-pair.ts";
import { writeEpisodes } from "../../data/episode.ts";
import { readSpecialization } from "../../pair/specialization-file.ts";
import { runCli } from "../program.ts";

const root = mkdtempSync(join(tmpdir(), "known-prompts-command-"));
const at = (name: string) => join(root, name);
const file = at("pair/generator/known-prompts.json");
const words = ["first", "second", "third", "fourth", "last"];
/** Of a few words each, all alike. */
const episodes = (count: number, verb: string) =>
  Array.from({ length: count }, (_, i) => ({
    family: "words",
    prompt: `${verb} the ${words[i % 5]} word of ${i}.`,
    queries: [{ input: "a b", target: "a" }],
  }));
beforeAll(async () => {
  await writeTinyPair(at("pair"));
  await writeEpisodes(at("train.jsonl"), episodes(70, "Give"));
  await writeEpisodes(at("validation.jsonl"), episodes(60, "Give me"));
  await writeEpisodes(at("few.jsonl"), episodes(40, "Give"));
});
afterAll(() => rmSync(root, { recursive: true }));

async function run(...args: string[]) {
  const { context, written } = recordingContext();
  return { status: await runCli(args, context), ...written };
}
const measure = (...more: string[]) =>
  run("known-prompts", "--pair", at("pair"), "--threads", "1", "--train", at("train.jsonl"), ...more);
const made = (prompt: string, ...more: string[]) =>
  run(
    "specialize",
    "--pair",
    at("pair"),
    "--threads",
    "1",
    "--anonymous",
    "--prompt",
    prompt,
    "--out",
    at("made"),
    "--json",
    ...more,
  );

const odd = "zq xv ".repeat(40);

test("what was measured is shown by inspect, and specialize warns of a prompt unlike it, with every file of it", async () => {
  const before = await made(odd);
  expect([before.status, before.stderr]).toEqual([0, expect.not.stringContaining("unlike")]);
  const { status, stdout, stderr } = await measure("--validation", at("validation.jsonl"), "--json");
  expect(status, stderr).toBe(0);
  const { size: bytes } = statSync(file);
  expect(JSON.parse(stdout)).toMatchObject({
    file,
    bytes,
    layer: 1,
    prompts: 70,
    validationPrompts: 60,
    beyond: 1 / 60,
  });
  for (const path of ["pair", "pair/generator"])
    expect((await run("inspect", at(path))).stdout).toMatch(
      /knows +70 prompts of its training, at layer 1; .*1\.7 % of 60/,
    );

  const like = await made("Give the third word of 12.");
  expect([like.stderr, JSON.parse(like.stdout).unlike]).toEqual([expect.not.stringContaining("unlike"), false]);
  const unlike = await made(odd);
  expect(unlike.stderr).toMatch(/warning.*unlike those that the generator was trained on/);
  expect(JSON.parse(unlike.stdout).unlike).toBe(true);
  expect((await readSpecialization(at("made"))).unlike).toBe(true);
  expect((await run("inspect", at("made"))).stdout).toMatch(/prompt +\d+ tokens; unlike those/);
});

test("measured again it takes the place of the one before; too few prompts are refused and leave it", async () => {
  const fewer = await measure("--validation", at("validation.jsonl"), "--prompts", "50", "--json");
  expect(JSON.parse(fewer.stdout)).toMatchObject({ prompts: 50 });
  const { mtimeMs } = statSync(file);
  expect((await measure("--validation", at("few.jsonl"))).stderr).toMatch(
    /E_DATA.*at least 50 different prompts, found 40/s,
  );
  expect((await measure()).stderr).toMatch(/E_USAGE.*--validation FILE/s);
  const nowhere = ["--train", at("train.jsonl"), "--validation", at("validation.jsonl")];
  expect((await run("known-prompts", ...nowhere)).stderr).toMatch(/E_USAGE.*--pair DIR/s);
  expect(statSync(file).mtimeMs).toBe(mtimeMs);
  expect(existsSync(at("pair/known-prompts.json"))).toBe(false);
});

test("gates from examples are warned of where the predicted ones are kept, and only there", async () => {
  const lines = ["cat", "dog", "bird", "band", "the cat", "the dog", "a bird", "a band"].map((input) =>
    JSON.stringify({ input, target: input.startsWith("the") ? "no" : "yes" }),
  );
  writeFileSync(at("examples.jsonl"), lines.join("\n"));
  const fromExamples = ["--examples", at("examples.jsonl"), "--way", "learnt"];
  const seen = new Set<boolean>();
  for (const quick of [
    ["--steps", "20"],
    ["--steps", "2", "--learning-rate", "100"],
  ]) {
    const { stdout, stderr } = await made(odd, ...fromExamples, ...quick);
    const { unlike, search } = JSON.parse(stdout);
    expect(unlike).toBe(search.kept.at === 0);
    expect(stderr.includes("unlike those")).toBe(unlike);
    expect((await readSpecialization(at("made"))).unlike ?? false).toBe(unlike);
    seen.add(unlike);
  }
  expect(seen.size).toBe(2);
});

test("inspect shows a pair whose measure is of another cloud model, and says so; of a generator alone it is not known", async () => {
  const known = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify({ ...known, cloudSha256: "b".repeat(64) }));
  expect((await made(odd)).stderr).toMatch(/E_MISMATCH.*measured with the cloud model b{64}/s);
  const { status, stdout } = await run("inspect", at("pair"));
  expect([status, stdout]).toEqual([
    0,
    expect.stringMatching(/knows +known-prompts\.json is stale: .*cloud model b{64}/),
  ]);
  const { generator } = JSON.parse((await run("inspect", at("pair"), "--json")).stdout);
  expect(generator.known).toMatchObject({ prompts: 50, stale: expect.stringContaining("measure it again") });
  expect((await run("inspect", at("pair/generator"))).stdout).toMatch(/knows +50 prompts of its training/);
  writeFileSync(file, JSON.stringify({ ...known, generatorSha256: "b".repeat(64) }));
  for (const path of ["pair", "pair/generator"])
    expect((await run("inspect", at(path))).stdout).toMatch(/is stale: .*the generator b{64}/);
});
