import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { recordingContext } from "../../../test/support/cli-context.ts";
import { writeTinyPair } from "../../../test/support/tiny-pair.ts";
import { readSpecialization } from "../../pair/specialization-file.ts";
import { runCli } from "../program.ts";
import { readSearchHistory, writeSearchHistory } from "../search-history.ts";

const root = mkdtempSync(join(tmpdir(), "specialize-command-"));
const at = (name: string) => join(root, name);
beforeAll(async () => {
  await writeTinyPair(at("pair"));
  const lines = ["cat", "dog", "bird", "the cat"].map((input, i) =>
    JSON.stringify({ input, target: i % 2 ? "no" : "yes" }),
  );
  writeFileSync(at("examples.jsonl"), lines.join("\n"));
});
afterAll(() => rmSync(root, { recursive: true }));

async function specialize(...args: string[]) {
  const { context, written } = recordingContext();
  const common = ["specialize", "--pair", at("pair"), "--threads", "1", "--anonymous"];
  const status = await runCli([...common, ...args], context);
  return { status, ...written };
}

const quick = ["--examples", at("examples.jsonl"), "--generations", "2", "--population", "4", "--steps", "6"];

test.each(["searched", "learnt"])(
  "gates are %s from examples, with labels or a prompt, or from examples alone",
  async (way) => {
    for (const args of [["--prompt", "Answer yes or no.", "--labels", "yes,no"], []]) {
      const { status, stdout, stderr } = await specialize(...quick, "--way", way, ...args, "--out", at(way));
      expect(status, stderr).toBe(0);
      expect(stdout).toMatch(/kept {5}.*% of 1 example set aside; predicted/);
      expect(stdout).toMatch(/3 examples to fit, asked \d+ times/);
      expect(stderr).toMatch(/^(generation|step) 0: \d+\.\d % of the examples set aside$/m);
    }
    const history = await readSearchHistory(at(way));
    expect(history).toMatchObject({ of: "gates", by: way, examples: 1 });
    expect(history.points[0]!.at).toBe(0);
    const drawn = recordingContext();
    expect(await runCli(["plot", at(way), "--out", at(`${way}.svg`)], drawn.context)).toBe(0);
    expect(readFileSync(at(`${way}.svg`), "utf8")).toContain("predicted gates");
    const { found } = await readSpecialization(at(way));
    const { context, written } = recordingContext();
    await runCli(["inspect", at(way)], context);
    expect(written.stdout).toContain(found === undefined ? "predicted from the prompt" : `${way} from 4 examples`);
  },
);

test("the history of a search goes when what it found is replaced; a file of that name that is none stays", async () => {
  const args = ["--prompt", "Answer yes or no.", "--out", at("replaced")];
  await specialize(...quick, ...args);
  expect(existsSync(at("replaced/search.json"))).toBe(true);
  await specialize(...args);
  expect(existsSync(at("replaced/search.json"))).toBe(false);
  writeFileSync(at("replaced/search.json"), "mine");
  const { status, stderr } = await specialize(...quick, ...args);
  expect([status, readFileSync(at("replaced/search.json"), "utf8")]).toEqual([0, "mine"]);
  expect(stderr).toContain("this one's is not kept");
});

test("the history of a mixture of skills stays, and one that cannot be read leaves the specialisation as it was", async () => {
  mkdirSync(at("mixed"));
  const points = [{ at: 0, accuracy: 1 }];
  const mixed = { of: "shares of skills", by: "cem", counts: "generation", examples: 1, beside: {}, points } as const;
  await writeSearchHistory(at("mixed"), mixed);
  const args = ["--prompt", "Answer yes or no.", "--out", at("mixed")];
  expect((await specialize(...args)).status).toBe(0);
  expect(await readSearchHistory(at("mixed"))).toMatchObject(mixed);
  const before = readFileSync(at("mixed/specialization.json"), "utf8");
  rmSync(at("mixed/search.json"));
  symlinkSync(at("mixed/search.json"), at("mixed/search.json")); // a link to itself
  const { status, stderr } = await specialize("--prompt", "Be brief.", "--out", at("mixed"));
  expect([status, stderr]).toEqual([1, expect.stringContaining("search.json")]);
  expect(readFileSync(at("mixed/specialization.json"), "utf8")).toBe(before);
});

test("a picture that is no chart is not drawn over, wherever it lies", async () => {
  writeFileSync(at("learnt/chart.svg"), "mine");
  const { context, written } = recordingContext();
  expect([await runCli(["plot", at("learnt")], context), written.stderr]).toEqual([
    1,
    expect.stringContaining("chart.svg"),
  ]);
  expect(readFileSync(at("learnt/chart.svg"), "utf8")).toBe("mine");
});

test.each([
  ["examples without targets", "blank.jsonl", [], "E_FORMAT"],
  ["a single one", "one.jsonl", [], "E_DATA"],
  ["more shots than there are", "examples.jsonl", ["--shots", "5"], "E_DATA"],
  ["targets that are no labels", "examples.jsonl", ["--labels", "up,down"], "E_DATA"],
  ["neither prompt nor examples", undefined, [], "E_USAGE"],
])("%s: refused, nothing written", async (_, file, args, code) => {
  writeFileSync(at("blank.jsonl"), `{"input": "x"}\n{"input": "y"}\n`);
  writeFileSync(at("one.jsonl"), `{"input": "x", "target": "y"}\n`);
  const examples = file === undefined ? [] : ["--examples", at(file)];
  const { status, stdout } = await specialize(...examples, ...args, "--out", at("never"), "--json");
  expect({ status, error: (JSON.parse(stdout) as { error: object }).error }).toMatchObject({
    status: 1,
    error: { code },
  });
  expect(existsSync(at("never"))).toBe(false);
});

test("a prompt that asks for JSON whose form is not found is told so, with what gives one; no other prompt is", async () => {
  const hint = /^no form found for the JSON that the prompt asks for \("Answer in JSON"\): .*--schema FILE gives one$/m;
  writeFileSync(at("any.json"), '{"type": "boolean"}');
  const asks = ["--prompt", "Say who writes. Answer in JSON.", "--out", at("hinted")];
  expect((await specialize(...asks)).stderr).toMatch(hint);
  for (const args of [
    [...asks, "--schema", at("any.json")],
    [...asks, "--no-constraint"],
  ])
    expect((await specialize(...args)).stderr).not.toContain("no form");
  const others = ["Say who writes.", 'Who writes? Answer in JSON with the key "who", as in {"who": "Ann"}.'];
  for (const prompt of others)
    expect((await specialize("--prompt", prompt, "--out", at("unhinted"))).stderr).not.toContain("no form");
});

test("an empty prompt is refused before a pair is loaded", async () => {
  writeFileSync(at("blank.txt"), " \n\n");
  for (const prompt of [
    ["--prompt", ""],
    ["--prompt-file", at("blank.txt")],
  ]) {
    const { context, written } = recordingContext();
    expect(await runCli(["specialize", "--pair", at("none"), ...prompt, "--out", at("no")], context)).toBe(1);
    expect(written.stderr).toBe("error E_PROMPT: system prompt: expected text, found none\n");
  }
});
