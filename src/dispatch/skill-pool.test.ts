import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { randomAdapter } from "../../test/support/random-adapter.ts";
import { storedModel } from "../../test/support/stored-llama.ts";
import { talkativeModel, smallTokenizer as tokenizer } from "../../test/support/talkative-model.ts";
import { createRng } from "../base/rng.ts";
import type { StepChange } from "../decode/cached-model.ts";
import { createDecoder } from "../decode/decoder.ts";
import { type Ia3Factors, writeIa3 } from "../lora/ia3-format.ts";
import { readPeftChange } from "../lora/peft-change.ts";
import { writePeft } from "../lora/peft-format.ts";
import { applyExpert } from "../models/apply-expert.ts";
import { svfMaps } from "../models/decomposable.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import type { Model } from "../models/model.ts";
import { linearName, linearSize } from "../models/parameters.ts";
import { applyPeftChange, peftBaseOf } from "../models/peft-base.ts";
import { combineExperts, type Expert } from "../svf/expert.ts";
import { readExpert, writeExpert } from "../svf/expert-file.ts";
import { type Example, encodeInput, SPECIAL_TOKEN_LAYOUT as layout } from "../text/prompt.ts";
import { findShares } from "./few-shot.ts";
import { createShotScorer, shotReward } from "./shots.ts";
import { everywhere, type Shares, type SkillPool, whole } from "./skill-pool.ts";
import { openSkillPool } from "./skill-pool-file.ts";

const root = mkdtempSync(join(tmpdir(), "skill-pool-"));
const at = (name: string) => join(root, name);
const names = ["one", "three", "two"]; // as a folder is read
let stored: Model;
const pools: Record<string, SkillPool> = {};

function skill(seed: string, renormalize: boolean, rank = 32): Expert {
  const rng = createRng(seed);
  const maps = svfMaps(stored.config, "feed-forward");
  const scales = new Map(maps.map(({ weight }) => [weight, Float32Array.from({ length: rank }, () => 3 * rng.next())]));
  return { modelSha256: stored.sha256, scales, renormalize, madeBy: {} };
}

/** Of keys, values and the feed-forward block, as the paper; "two" leaves keys alone. */
function ia3(name: string): Map<string, Ia3Factors> {
  const rng = createRng(`ia3 ${name}`);
  const targets = [
    ["k", "outputs"],
    ["v", "outputs"],
    ["down", "inputs"],
  ] as const;
  return new Map(
    [0, 1].flatMap((layer) =>
      targets.slice(name === "two" ? 1 : 0).map(([target, side]) => {
        const size = linearSize(stored.config, target)[side];
        const values = Float32Array.from({ length: size }, () => 3 * rng.next());
        return [`${linearName(stored.config, layer, target)}.weight`, { side, values }] as const;
      }),
    ),
  );
}

/** Lengths of rows, of which some turn around. */
function magnitudesOf(adapter: ReadonlyMap<string, { readonly outputs: number }>, seed: string) {
  const rng = createRng(`dora ${seed}`);
  return new Map(
    [...adapter].map(([weight, { outputs }]) => [
      weight,
      Float32Array.from({ length: outputs }, () => 4 * rng.next() - 0.5),
    ]),
  );
}

beforeAll(async () => {
  stored = await storedModel(at("model"), talkativeModel(1));
  for (const name of names) {
    await writeExpert(at(`free/${name}.safetensors`), skill(name, false));
    await writeExpert(at(`bounded/${name}/expert.safetensors`), skill(name, true));
    await writePeft(at(`lora/${name}`), randomAdapter(stored.config, { seed: name }), { baseName: "base" });
    await writeIa3(at(`ia3/${name}`), ia3(name), { baseName: "base" });
    const targets = name === "two" ? (["v", "down"] as const) : (["q", "v", "down"] as const);
    const plain = randomAdapter(stored.config, { seed: name, targets });
    await writePeft(at(`dora/${name}`), plain, { baseName: "base", magnitudes: magnitudesOf(plain, name) });
  }
  for (const kind of ["free", "bounded", "lora", "dora", "ia3"])
    pools[kind] = await openSkillPool(at(kind), { model: stored, stored });
});
afterAll(() => rmSync(root, { recursive: true }));

const ids = tokenizer.encode("banana bandana");
const answers = ["an ananas", "a band", "é"].map((text) => tokenizer.encode(text));

/** Log-likelihoods of some answers, which tell models apart. */
async function likelihoods(model: FrozenModel, change?: StepChange): Promise<number[]> {
  await using decoder = await createDecoder(model, { threads: 1, ...(change === undefined ? {} : { change }) });
  return decoder.score(ids, answers);
}

function expectClose(found: readonly number[], wanted: readonly number[]) {
  found.forEach((value, i) => void expect(Math.abs(value - wanted[i]!)).toBeLessThan(1e-3));
}

const shares = [
  [0.7, 0.1, 0.4],
  [0.2, 0, 0.5],
];

/** The model with a skill, or a saved mixture, merged. */
const merged = async (kind: string, path: string): Promise<FrozenModel> =>
  ["lora", "dora", "ia3"].includes(kind)
    ? applyPeftChange(stored, await readPeftChange(path, peftBaseOf(stored)))
    : applyExpert(stored, await readExpert(path));

describe.each(["free", "bounded", "lora", "dora", "ia3"])("a pool of %s skills", (kind) => {
  test("mixes them beside the weights as the skill that it saves does merged; no share is the base model", async () => {
    const pool = pools[kind]!;
    expect([pool.names, pool.layers]).toEqual([names, 2]);
    const { change, steer } = pool.steered();
    const base = await likelihoods(stored);
    expectClose(await likelihoods(stored, change), base);
    steer(shares);
    const mixed = await likelihoods(stored, change);
    expect(Math.abs(mixed[0]! - base[0]!)).toBeGreaterThan(0.1);
    const saved = at(`saved-${kind}`);
    await pool.save(saved, shares, { by: "test" });
    expectClose(mixed, await likelihoods(await merged(kind, saved)));
  });

  test("has each skill whole", async () => {
    const change = whole(pools[kind]!, "two");
    const alone = await merged(kind, at(kind === "free" ? "free/two.safetensors" : `${kind}/two`));
    expectClose(await likelihoods(stored, change), await likelihoods(alone));
    expect(() => whole(pools[kind]!, "four")).toThrow(expect.objectContaining({ code: "E_USAGE" }));
  });
});

test("mixing renormalised skills is the paper's sum of factors", async () => {
  const mixed = await readExpert(at("saved-bounded/expert.safetensors"));
  const experts = names.map((name) => skill(name, true));
  const wanted = combineExperts(experts, (weight) => shares[Number(/layers\.(\d)/.exec(weight)![1])]!);
  for (const [weight, z] of wanted.scales) expectClose([...mixed.scales.get(weight)!], [...z]);
});

test("of mixtures that solve equally many, the one that finds right answers likelier is better; one more solved is better still", () => {
  const rewards = [
    { accuracy: 0.4, logLikelihood: -1e6 },
    { accuracy: 0.4, logLikelihood: -9 },
    { accuracy: 0.4, logLikelihood: 0 },
    { accuracy: 0.6, logLikelihood: -1e6 },
  ].map((score) => shotReward(score, 5));
  expect(rewards).toEqual([...rewards].sort((a, b) => a - b));
  expect(new Set(rewards).size).toBe(4);
});

describe("few examples", () => {
  const inputs = ["banana", "an ananas", "bandana", "a band", "naïve", "café"];
  const edge = { tokenizer, layout };

  test("find the skill that gave the answers: by CEM with accuracy 1, above the uniform mixture and the base model", async () => {
    const pool = pools["free"]!;
    await using decoder = await createDecoder(stored, { threads: 1, change: whole(pool, "two") });
    const examples: Example[] = [];
    for (const input of inputs) {
      const said = await decoder.generate(encodeInput(tokenizer, layout, input), { maxTokens: 12, tokenizer });
      if (said.finish === "stop") examples.push({ input, target: said.text! });
    }
    const { change, steer } = pool.steered();
    const shots = { examples, scorer: "exact" } as const;
    await using scorer = createShotScorer({ ...edge, model: stored, change }, shots, { threads: 1 });
    const score = (one: Shares) => {
      steer(one);
      return scorer.score();
    };
    const sizes = { skills: 3, layers: 2, examples: examples.length };
    const options = { population: 12, generations: 4 };
    const found = await findShares(sizes, score, options);
    const uniform = await findShares(sizes, score, { search: "uniform" });
    const random = await findShares(sizes, score, { ...options, search: "random" });
    const base = await score(everywhere(2, [0, 0, 0]));
    expect([found.evaluations, random.evaluations, uniform.evaluations]).toEqual([48, 48, 1]);
    expect(found.history.map(({ shares: { length } }) => length)).toEqual([3, 3, 3, 3]);
    expect(found.accuracy).toBeGreaterThan(uniform.accuracy);
    expect(found.accuracy).toBeGreaterThan(base.accuracy);
    expect(found.accuracy).toBeGreaterThanOrEqual(random.accuracy);
    expect(found.logLikelihood).toBeGreaterThan(random.logLikelihood);
    expect(await score(found.shares)).toEqual({ accuracy: found.accuracy, logLikelihood: found.logLikelihood });
  });

  test("on which the skills do nothing are refused: the reward never varies", async () => {
    const score = async () => ({ accuracy: 0.5, logLikelihood: -1 });
    const found = findShares({ skills: 2, layers: 1, examples: 2 }, score, { population: 4 });
    await expect(found).rejects.toMatchObject({ code: "E_DATA" });
  });

  test("whose targets are no labels are refused, and so are none at all", () => {
    const shots = { scorer: "choice", labels: ["a", "b"] } as const;
    const make = (examples: { input: string; target: string }[]) =>
      createShotScorer({ ...edge, model: stored }, { ...shots, examples });
    expect(() => make([{ input: "x", target: "c" }])).toThrow(/"c"/);
    expect(() => make([])).toThrow(expect.objectContaining({ code: "E_DATA" }));
  });
});

describe("a folder is refused", () => {
  const open = (name: string) => openSkillPool(at(name), { model: stored, stored });

  test("without skills, or with skills of both kinds", async () => {
    mkdirSync(at("empty"));
    await expect(open("empty")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
    await expect(open("absent")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
    await writeExpert(at("both/a.safetensors"), skill("a", false));
    await writePeft(at("both/b"), randomAdapter(stored.config), { baseName: "base" });
    await expect(open("both")).rejects.toMatchObject({ code: "E_MISMATCH" });
    await writeIa3(at("both-peft/a"), ia3("a"), { baseName: "base" });
    await writePeft(at("both-peft/b"), randomAdapter(stored.config), { baseName: "base" });
    await expect(open("both-peft")).rejects.toThrow(/IA³ adapter \(a\) and a LoRA adapter \(b\)/);
  });

  test("with IA³ adapters that scale both sides of one map: their mixture is none", async () => {
    const name = `${linearName(stored.config, 0, "k")}.weight`;
    for (const side of ["inputs", "outputs"] as const) {
      const values = new Float32Array(linearSize(stored.config, "k")[side]).fill(2);
      await writeIa3(at(`sides/${side}`), new Map([[name, { side, values }]]), { baseName: "base" });
    }
    await expect(open("sides")).rejects.toMatchObject({ code: "E_MISMATCH" });
  });

  test("with a skill of another model, naming both hashes; or with one that is called like the base model", async () => {
    const other = { ...skill("a", false), modelSha256: "f".repeat(64) };
    await writeExpert(at("strange/a.safetensors"), other);
    const refused = await open("strange").catch((error: Error) => error);
    expect(refused).toMatchObject({ code: "E_MISMATCH" });
    expect((refused as Error).message).toMatch(new RegExp(`${"f".repeat(64)}.*${stored.sha256}`));
    await writeExpert(at("named/other.safetensors"), skill("a", false));
    await expect(open("named")).rejects.toMatchObject({ code: "E_USAGE" });
  });
});
