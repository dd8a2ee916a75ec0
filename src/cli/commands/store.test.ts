/** @file The commands of the store, and of keys. */
import { existsSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { recordingContext } from "../../../test/support/cli-context.ts";
import { fakeCredentials, fakeS3 } from "../../../test/support/fake-s3.ts";
import { specializationOf } from "../../../test/support/tiny-pair.ts";
import { sha256 } from "../../base/hash.ts";
import { version } from "../../base/version.ts";
import { writeSpecialization } from "../../pair/specialization-file.ts";
import { openStore } from "../../server/store/store.ts";
import type { Certificate } from "../../server/trust/certificate.ts";
import { runCli } from "../program.ts";

const folder = mkdtempSync(join(tmpdir(), "store-commands-"));
const known = { cloud: { sha256: sha256("c") }, edge: { sha256: sha256("e") }, generator: { sha256: sha256("g") } };
beforeAll(async () => {
  for (const [name, gate] of [
    ["first", 0.25],
    ["second", 0.75],
  ] as const)
    await writeSpecialization(join(folder, name), specializationOf(known, [[gate, 0, 0, 1]]));
});

async function run(...args: string[]) {
  const { context, written } = recordingContext();
  return { status: await runCli(args, { ...context, store: join(folder, "own") }), ...written };
}

/** As it was kept before certificates said what is saved and how sure rungs are. */
function certificateOf(object: string, mean: number): Certificate {
  const result = (of: number) => ({ score: { mean: of, low: of - 0.1, high: of + 0.1 }, inputTokens: 10, ms: 1 });
  const none = { mean: 0, low: 0, high: 0 };
  return {
    format: "lora-gen certificate 1",
    ...{ object, version, at: "2026-11-28T12:00:00.000Z", reference: { kind: "labels" }, scorer: "exact" },
    ...{ inputs: 40, leftOut: 0, failed: 0, inputsSha256: sha256("inputs") },
    parties: { specialized: result(mean), base: result(0.25), control: result(0.25) },
    ahead: { base: none, control: none },
  };
}

test("a specialisation is pushed, listed, compared, rolled back and pulled", async () => {
  expect((await run("push", "a", "--specialization", join(folder, "first"))).stdout).toBe(
    "a@1 is what a stands for now\n",
  );
  await run("push", "a", "--specialization", join(folder, "second"));
  await run("push", "live", "--alias-of", "a");
  const { names } = JSON.parse((await run("list", "--json")).stdout) as { names: { name: string }[] };
  expect(names).toMatchObject([
    { name: "a", current: 2 },
    { name: "live", aliasOf: "a" },
  ]);
  const diff = JSON.parse((await run("diff", "a@1", "live", "--json")).stdout) as object;
  expect(diff).toMatchObject({ gates: [{ layer: 0, expert: 0, from: 0.25, to: 0.75 }] });
  expect((await run("rollback", "a")).stdout).toBe("a stands for a@1 now\n");
  await run("pull", "live", "--out", join(folder, "pulled"));
  const read = (name: string) => readFileSync(join(folder, name, "specialization.json"), "utf8");
  expect(read("pulled")).toBe(read("first"));
});

test("a certificate is shown by inspect, by list, and where it differs by diff", async () => {
  const place = join(folder, "certified");
  const own = (...args: string[]) => run(...args, "--store", place);
  for (const name of ["first", "second"]) await own("push", "a", "--specialization", join(folder, name));
  await own("push", "b", "--specialization", join(folder, "first"));
  await own("push", "live", "--alias-of", "a");
  expect((await own("diff", "a@1", "a@2")).stdout).toContain("certificates  none");
  const store = await openStore(place);
  const [first, second] = [await store.resolve("main", "a@1"), await store.resolve("main", "a@2")];
  const kept = certificateOf(second.object, 0.625);
  await store.certify("main", { ...kept, threshold: 0.9, rung: null, sure: { specialized: false } });
  const half = await own("diff", "a@1", "a@2");
  expect(half.stdout).toMatch(/certificates +not measured → 40 inputs\n/);
  await store.certify("main", { ...certificateOf(first.object, 0.5), prompt: "secret words", answers: "prompted" });

  const shown = await own("inspect", "a");
  expect(shown.stdout).toContain("certificate of a@2: 40 inputs, scored by exact against labelled examples");
  expect(shown.stdout).toMatch(/^specialized +62\.5 \[52\.5, 72\.5\] +10\.0/m);
  expect(shown.stdout).toContain("None scores 90.0 %");
  expect(shown.stdout).toContain("reaches that too: specialized no.");
  const json = JSON.parse((await own("inspect", "a@1", "--json")).stdout) as object;
  expect(json).toMatchObject({ kind: "name", version: 1, certificate: { keepsPrompt: true, inputs: 40 } });
  expect(JSON.stringify(json)).not.toContain("secret words");
  await store.uncertify("main", first.object);
  expect((await own("inspect", "b")).stdout).toContain("no certificate: loragen certify b@1");

  expect((await own("list")).stdout).toMatch(
    /^a .*specialized 62\.5 < 90\.0\nb .*not measured\nlive .*specialized 62\.5 < 90\.0$/m,
  );
  const { names } = JSON.parse((await own("list", "--json")).stdout) as { names: object[] };
  expect(names).toMatchObject([
    { name: "a", certificate: { answers: "specialized", score: { mean: 0.625 }, inputs: 40, threshold: 0.9 } },
    { name: "b", certificate: null },
    { name: "live", certificate: { answers: "specialized" } },
  ]);

  await store.certify("main", { ...certificateOf(first.object, 0.5), inputsSha256: sha256("others") });
  const diff = await own("diff", "a@1", "a@2");
  expect(diff.stdout).toContain("40 inputs → 40 inputs, not the same");
  expect(diff.stdout).toMatch(/^specialized +50\.0 \[40\.0, 60\.0\] +62\.5 \[52\.5, 72\.5\]$/m);
  expect(JSON.parse((await own("diff", "a@1", "a@2", "--json")).stdout)).toMatchObject({
    certificates: { sameInputs: false, rung: { from: null, to: null }, answers: { from: "specialized" } },
  });
});

test("inspect takes what is there for a path, and says where a text is neither path nor name", async () => {
  expect((await run("inspect", join(folder, "first"))).stdout).toContain("a specialisation");
  expect((await run("inspect", "a", "--json")).stdout).toContain('"kind":"name"');
  expect((await run("inspect", "nobody")).stderr).toContain("nobody: not found, neither a path nor a name");
  expect((await run("inspect", "no/where")).stderr).toBe("error E_NOT_FOUND: no/where: not found\n");
  expect((await run("inspect", "--store", join(folder, "own", "models"))).stderr).toContain("expected NAME");
});

test("a store that is not there is no empty one: only push and serve make a folder", async () => {
  const mistyped = join(folder, "mistyped");
  for (const args of [["list"], ["pull", "a", "--out", join(folder, "no")], ["rollback", "a"], ["store", "verify"]])
    expect(await run(...args, "--store", mistyped)).toMatchObject({
      status: 1,
      stdout: "",
      stderr: `error E_NOT_FOUND: ${mistyped}: no such store; loragen push and loragen serve make one\n`,
    });
  expect(existsSync(mistyped)).toBe(false);
  expect((await run("push", "a", "--specialization", join(folder, "first"), "--store", mistyped)).status).toBe(0);
  expect((await run("list", "--store", mistyped)).stdout).toContain("a");
});

test("the same in a bucket, which several machines use", async () => {
  for (const [name, value] of Object.entries(fakeCredentials)) vi.stubEnv(name, value);
  onTestFinished(() => void vi.unstubAllEnvs());
  await using fake = await fakeS3();
  const { context, written } = recordingContext();
  const inBucket = (...args: string[]) =>
    runCli([...args, "--store", "s3://bucket/models"], { ...context, s3: { ...fake.s3, region: undefined } });
  for (const name of ["first", "second"]) await inBucket("push", "a", "--specialization", join(folder, name));
  await inBucket("rollback", "a");
  await inBucket("pull", "a", "--out", join(folder, "from-bucket"));
  expect(written.stderr).toBe("");
  const read = (name: string) => readFileSync(join(folder, name, "specialization.json"), "utf8");
  expect(read("from-bucket")).toBe(read("first"));
  expect((await run("list", "--store", "s3://Bucket")).stderr).toContain("expected s3://BUCKET");
});

test("what is wrong is said", async () => {
  expect(await run("pull", "nobody", "--out", join(folder, "none"))).toMatchObject({
    status: 1,
    stderr: 'error E_NOT_FOUND: model "nobody": not found\n',
  });
  expect((await run("push", "Big", "--specialization", join(folder, "first"))).stderr).toContain("small letters");
  expect((await run("serve", "--host", "0.0.0.0")).stderr).toContain("expected --keys FILE");
});

test("a key is printed once, and its file holds only a hash", async () => {
  const path = join(folder, "keys.json");
  const { stdout } = await run("key", "--keys", path, "--name", "shop", "--scope", "ask", "--per-minute", "60");
  const key = stdout.trim();
  expect(key).toMatch(/^lg-[\w-]{43}$/);
  const file = readFileSync(path, "utf8");
  expect(file).not.toContain(key);
  expect(JSON.parse(file)).toMatchObject({ keys: [{ name: "shop", sha256: sha256(key), scopes: ["ask"] }] });
  expect((await run("key", "--keys", path, "--name", "shop")).stderr).toContain("already");
  const both = await Promise.all([
    run("key", "--keys", path, "--name", "a"),
    run("key", "--keys", path, "--name", "b"),
  ]);
  const kept = (JSON.parse(readFileSync(path, "utf8")) as { keys: object[] }).keys.length - 1;
  expect(kept).toBe(both.filter(({ status }) => status === 0).length); // who was told of a key has it
  expect(readdirSync(folder)).not.toContain("keys.json.lock");
});
