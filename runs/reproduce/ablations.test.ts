/** @file A table whose generators are not trained yet trains them: stopped in between it goes on, to the same page. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeBenchmarkData } from "../../test/support/benchmark-data.ts";
import { writeTinyPair } from "../../test/support/tiny-pair.ts";
import { writeRunInputs } from "../../test/support/training-runs.ts";
import { reproduce } from "./reproduce.ts";
import type { Context } from "./row.ts";
import type { Id } from "./table.ts";

const folder = mkdtempSync(join(tmpdir(), "ablations-"));
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  writeBenchmarkData(at("data"));
  await writeTinyPair(at("pair"));
  await writeRunInputs(at("inputs"));
  writeFileSync(
    at("run.json"),
    JSON.stringify({
      kind: "generator",
      output: at("never"),
      seed: 5,
      steps: 3000,
      batch: 2,
      rowTokens: 40,
      cloud: at("pair/cloud"),
      edge: at("pair/edge"),
      tokenizer: at("pair/tokenizer"),
      generator: { experts: 3, rank: 2, alpha: 2, cloudRank: 2, poolScope: "layer" },
      optimizer: { learningRate: 0.01, warmupSteps: 1 },
      tasks: { files: [at("inputs/tasks.jsonl")], queriesPerPrompt: 1, maxShots: 2 },
      validateEvery: 4,
      validationBatches: 1,
      checkpointEvery: 2,
      logEvery: 1,
    }),
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

const context = (changes: Partial<Context> = {}): Context => ({
  budget: "minutes",
  data: at("data"),
  model: at("none"),
  methods: [],
  work: at("work"),
  train: at("run.json"),
  tell: () => undefined,
  ...changes,
});

test("direct and indirect generators are trained, asked and compared; stopped while the second one trains, they come to the same page", async () => {
  const stop = new AbortController();
  const tell = (text: string) => {
    if (/^as-configured.*: 1 of 2 steps$/.test(text)) stop.abort();
  };
  const stopped = { work: at("stopped") };
  const first = reproduce("table8", context({ ...stopped, tell, signal: stop.signal }), at("pages"));
  await expect(first).rejects.toMatchObject({ code: "E_INTERRUPTED" });
  expect(existsSync(at("pages"))).toBe(false);
  const generators = () =>
    readdirSync(at("stopped/runs")).filter((name) => existsSync(at(`stopped/runs/${name}/generator`)));
  expect(generators()).toEqual(["generation-direct-2-1"]);
  const told: string[] = [];
  const again = await reproduce("table8", context({ ...stopped, tell: (text) => void told.push(text) }), at("pages"));
  expect(generators().sort()).toEqual(["as-configured-2-1", "generation-direct-2-1"]);
  expect(told.some((text) => text.startsWith("generation-direct, seed"))).toBe(false); // not trained again
  const whole = await reproduce("table8", context(), at("whole"));
  const textOf = (outcome: typeof again) => readFileSync((outcome as { path: string }).path, "utf8");
  expect(textOf(again)).toBe(textOf(whole));
  expect(textOf(again)).toMatch(
    /\| direct \(one seed\) +\|.*\| indirect \(one seed\) +\|.*\| direct − indirect +\|.*seen there.*The paper's rows.*72\.1/s,
  );
  // The direct one has no pool: the run's keys of it are left out.
  const keys = JSON.parse(readFileSync(at("work/runs/generation-direct-2-1.json"), "utf8")) as { generator: object };
  expect(keys.generator).toEqual({ rank: 2, alpha: 2, cloudRank: 2, generation: "direct" });

  writeFileSync(at("other.json"), readFileSync(at("run.json"), "utf8").replace('"batch":2', '"batch":3'));
  await expect(reproduce("table8", context({ train: at("other.json") }), at("pages"))).rejects.toMatchObject({
    code: "E_MISMATCH",
    message: expect.stringContaining("another configuration") as unknown,
  });
});

test("pages whose rows are the run's own configuration share its training and its answers", async () => {
  const told: string[] = [];
  const tell = (text: string) => void told.push(text);
  const textOf = async (id: "bn-diversity" | "s0-table22") => {
    const outcome = await reproduce(id, context({ work: at("shared"), tell }), at("pages"));
    return readFileSync((outcome as { path: string }).path, "utf8");
  };
  const diversity = await textOf("bn-diversity");
  expect(diversity).toMatch(
    /\| with \(one seed\) +\| +\d of 3 \|.*\| without \(one seed\) +\| +\d of 3 \|.*\| without − with +\|/s,
  );
  expect(diversity).toMatch(/differs from the paper's in\s.*`poolScope`\slayer/s);
  const trained = () =>
    readdirSync(at("shared/runs")).filter((name) => existsSync(at(`shared/runs/${name}/generator`)));
  expect(trained().sort()).toEqual(["as-configured-2-1", "routerNorm-none-2-1"]);
  told.length = 0;
  const validation = await textOf("s0-table22");
  expect(validation).toMatch(
    /\| 0\.01 \(one seed\) +\| +validation \|.*\| 0\.01 \(one seed\) +\| +test \|.*The paper's rows.*\| +44\.5 \|/s,
  );
  expect(trained()).toHaveLength(4); // two coefficients more
  expect(told.some((text) => text.startsWith("as-configured, seed"))).toBe(false);
  expect(told.some((text) => text.startsWith("ablation-as-configured"))).toBe(false); // neither trained nor asked again
});

test("no balance loss, the paper's coefficient, both routers and both generations have three seeds with the budget of hours and the full one, all else one", async () => {
  const wantedBy = async (id: Id, budget: Context["budget"]) => {
    const refused = reproduce(
      id,
      context({ train: undefined, pair: at("pair"), noTraining: true, budget }),
      at("pages"),
    );
    const message = await refused.then(
      () => "",
      (error: Error) => error.message,
    );
    return /expected (.*) trained, found none/.exec(message)![1]!.split("; ");
  };
  for (const { budget, steps } of [
    { budget: "hours", steps: 75 },
    { budget: "full", steps: 400 },
  ] as const) {
    const of = (name: string, seeds: number) => Array.from({ length: seeds }, (_, i) => `${name}-${steps}-${i + 1}`);
    const several = ["as-configured", "auxCoefficient-0"].flatMap((name) => of(name, 3));
    const others = ["auxCoefficient-0.1", "auxCoefficient-0.005", "auxCoefficient-0.001"].flatMap((name) =>
      of(name, 1),
    );
    expect((await wantedBy("table5", budget)).sort()).toEqual([...several, ...others].sort());
    expect(await wantedBy("s0-table22", budget)).toEqual(expect.arrayContaining(several));
    expect(await wantedBy("s0-table19", budget)).toEqual(expect.arrayContaining(several));
    expect(await wantedBy("table7", budget)).toEqual([...of("strategy-gumbel", 3), ...of("as-configured", 3)]);
    expect(await wantedBy("table8", budget)).toEqual([...of("generation-direct", 3), ...of("as-configured", 3)]);
    const shapes = ["topK-1", "topK-4", "rank-4-alpha-4", "poolScope-layer", "routerScope-layer"];
    const once = ["experts-4", "as-configured", "experts-12", ...shapes];
    expect(await wantedBy("table4", budget)).toEqual(once.flatMap((name) => of(name, 1)));
  }
});

test("the run of something else than a generator is refused before anything is trained", async () => {
  writeFileSync(at("lora.json"), JSON.stringify({ kind: "lora", cloud: "a", edge: "b" }));
  const refused = reproduce("table4", context({ train: at("lora.json"), work: at("lora") }), at("pages"));
  await expect(refused).rejects.toMatchObject({
    code: "E_CONFIG",
    message: expect.stringContaining("kind") as unknown,
  });
});
