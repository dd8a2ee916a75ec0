import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { recordingContext } from "../../../test/support/cli-context.ts";
import { storedLlama } from "../../../test/support/stored-llama.ts";
import { writeTinyPair } from "../../../test/support/tiny-pair.ts";
import { createRng } from "../../base/rng.ts";
import { type ExportFormatName, exportFormats } from "../../export/formats.ts";
import { openSafetensors, readTensor } from "../../files/safetensors.ts";
import { svfMaps } from "../../models/decomposable.ts";
import type { Model } from "../../models/model.ts";
import { openModel } from "../../models/model-file.ts";
import { writeExpert } from "../../svf/expert-file.ts";
import { runCli } from "../program.ts";

const root = mkdtempSync(join(tmpdir(), "svd-command-"));
const at = (name: string) => join(root, name);
beforeAll(async () => {
  const model = await storedLlama(at("base"), { seed: 6, layers: 2 });
  await storedLlama(at("other"), { seed: 7, layers: 2 });
  await writeSkill("skill", model);
});

async function writeSkill(name: string, { config, sha256 }: Pick<Model, "config" | "sha256">): Promise<void> {
  const rng = createRng("skill");
  const scales = svfMaps(config, "feed-forward").map(
    ({ weight, outputs, inputs }) =>
      [weight, Float32Array.from({ length: Math.min(outputs, inputs) }, () => 0.5 + rng.next())] as const,
  );
  const madeBy = { by: "hand" };
  await writeExpert(at(name), { modelSha256: sha256, scales: new Map(scales), renormalize: false, madeBy });
}
afterAll(() => rmSync(root, { recursive: true }));

async function loragen(...args: string[]) {
  const { context, written } = recordingContext();
  const status = await runCli([...args, "--json"], context);
  return { status, ...written, json: JSON.parse(written.stdout) as Record<string, unknown> };
}

test("svd decomposes what is missing, beside the model, and says how exactly", async () => {
  const first = await loragen("svd", "--model", at("base"));
  expect(first).toMatchObject({ status: 0, json: { maps: 6, made: 6, factors: 6 * 32 } });
  expect(first.json["folder"]).toBe(join(at("base"), ".lora-gen-svd"));
  expect(first.json["largestError"]).toBeLessThan(1e-6);
  expect(await loragen("svd", "--model", at("base"), "--maps", "both")).toMatchObject({ json: { maps: 14, made: 8 } });
  const elsewhere = await loragen("svd", "--model", at("base"), "--svd-cache", at("cache"), "--quota", "0.00001");
  expect(elsewhere).toMatchObject({ status: 1, json: { error: { code: "E_LIMIT" } } });
});

test("a skill is merged, and taken out again to the base model's very files", async () => {
  const args = ["--expert", at("skill"), "--base", at("base")];
  const merged = await loragen("merge", ...args, "--out", at("merged"));
  expect(merged, merged.stderr).toMatchObject({ status: 0, json: { rank: 32, scale: 1 } });
  const config = JSON.parse(readFileSync(join(at("merged"), "config.json"), "utf8")) as object;
  expect(config).toMatchObject({ lora_gen_merge: { kind: "svf" } });
  const restored = await loragen("unmerge", "--model", at("merged"), "--base", at("base"), "--out", at("restored"));
  expect(restored, restored.stderr).toMatchObject({ status: 0 });
  const names = readdirSync(at("restored"));
  expect(names).toContain("model.safetensors");
  for (const name of names)
    expect(readFileSync(join(at("restored"), name)).equals(readFileSync(join(at("base"), name))), name).toBe(true);
});

test("of two skills the changes are added by weight; the same skill by 1 and by −1 is none", async () => {
  const both = [`${at("skill")}:0.25`, `${at("skill")}:0.75`];
  const merge = (out: string, ...experts: string[]) =>
    loragen("merge", "--base", at("base"), "--out", at(out), ...experts.flatMap((one) => ["--expert", one]));
  expect((await merge("sum", ...both)).status).toBe(0);
  expect((await merge("one", at("skill"))).status).toBe(0);
  expect((await merge("half", `${at("skill")}:0.5`)).status).toBe(0);
  const weights = async (name: string) => {
    const file = await openSafetensors(join(at(name), "model.safetensors"));
    return Promise.all([...file.tensors.keys()].sort().map((tensor) => readTensor(file, tensor)));
  };
  const [base, one] = [await weights("base"), await weights("one")];
  /** From the model with a share of the whole change. */
  const farthest = async (name: string, share: number) =>
    Math.max(
      ...(await weights(name)).map((tensor, i) =>
        tensor.reduce((most, value, k) => {
          const before = base[i]![k]!;
          return Math.max(most, Math.abs(value - (before + share * (one[i]![k]! - before))));
        }, 0),
      ),
    );
  expect(await farthest("base", 1)).toBeGreaterThan(1e-3); // a skill does change its model
  expect(await farthest("sum", 1)).toBeLessThan(1e-6);
  expect(await farthest("half", 0.5)).toBeLessThan(1e-6);
  const none = await merge("none", `${at("skill")}:1`, `${at("skill")}:-1`);
  expect(none).toMatchObject({ status: 1, json: { error: { code: "E_MISMATCH" } } });
});

test("as a LoRA of a few ranks a skill says what is left out; a skill of another model is refused with both hashes", async () => {
  const args = ["--expert", at("skill"), "--format", "peft", "--rank", "8"];
  const exported = await loragen("export", ...args, "--base", at("base"), "--out", at("lora"));
  expect(exported, exported.stderr).toMatchObject({ status: 0, json: { rank: 8 } });
  expect(exported.stderr).toMatch(/rank 8: \d+\.\d % of the change is left out/);
  const refused = await loragen("export", ...args, "--base", at("other"), "--out", at("wrong"));
  expect(refused).toMatchObject({ status: 1, json: { error: { code: "E_MISMATCH" } } });
  expect(JSON.stringify(refused.json)).toMatch(/[0-9a-f]{64}.*[0-9a-f]{64}/);
});

describe("of a model with its tokenizer", () => {
  const edge = at("pair/edge");
  beforeAll(async () => {
    await writeTinyPair(at("pair"));
    cpSync(at("pair/tokenizer"), edge, { recursive: true });
    await writeSkill("own", await openModel(edge));
  });

  test.each(Object.keys(exportFormats) as ExportFormatName[])(
    "a skill is exported as %s, read back, and answers like the model that it changes",
    async (format) => {
      const args = ["--expert", at("own"), "--base", edge, "--format", format, "--out", at(`as-${format}`)];
      const exported = await loragen("export", ...args);
      expect(exported, exported.stderr).toMatchObject({ status: 0, json: { format } });
      const { largestDifference, largestLogit, tolerance } = exported.json as Record<string, number>;
      expect(largestDifference).toBeLessThanOrEqual(tolerance! * largestLogit!);
      const files = exported.json["files"] as { readonly name: string }[];
      expect(files.length).toBeGreaterThan(0);
      for (const { name } of files) expect(existsSync(join(at(`as-${format}`), name)), name).toBe(true);
    },
  );
});

test("inspect names a skill's model and draws which maps it moves", async () => {
  const { json } = await loragen("inspect", join(root, "lora"));
  expect(json).toMatchObject({ kind: "peft" });
  await writeExpert(at("named.safetensors"), {
    modelSha256: "a".repeat(64),
    renormalize: true,
    madeBy: { by: "hand" },
    scales: new Map([["model.layers.1.mlp.up_proj.weight", Float32Array.of(1, 2, 3)]]),
  });
  const { context, written } = recordingContext();
  expect(await runCli(["inspect", at("named.safetensors")], context)).toBe(0);
  expect(written.stdout).toContain("3 of 1 map, renormalised");
  expect(written.stdout).toContain("a".repeat(64));
  expect(written.stdout).toMatch(/layer 1 +██/);
});
