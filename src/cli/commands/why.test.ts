import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { recordingContext } from "../../../test/support/cli-context.ts";
import { openTinyPair, specializationOf, writeTinyPair } from "../../../test/support/tiny-pair.ts";
import { writeSpecialization } from "../../pair/specialization-file.ts";
import { specialize } from "../../pair/specialize.ts";
import { runCli } from "../program.ts";

const folder = mkdtempSync(join(tmpdir(), "why-"));
const pair = join(folder, "pair");
const prompt = "Say what the customer wants. Answer in one word.";

async function run(...args: string[]) {
  const { context, written } = recordingContext();
  return { status: await runCli(args, { ...context, store: join(folder, "own") }), ...written };
}

beforeAll(async () => {
  await writeTinyPair(pair);
  const opened = await openTinyPair();
  const { gates, ...made } = await specialize(opened, prompt, { threads: 1 });
  await writeSpecialization(join(folder, "triage"), { ...made, gates });
  await writeSpecialization(join(folder, "other"), specializationOf(opened, gates));
  for (const name of ["triage", "other"]) await run("push", name, "--specialization", join(folder, name));
});

test("a name's gates, whom they are like, and what its sentences moved are shown", async () => {
  const alone = await run("why", "triage");
  expect([alone.status, alone.stdout]).toEqual([0, expect.stringMatching(/^like +other@1 1\.00 /m)]);
  const flags = ["--pair", pair, "--threads", "1", "--prompt", prompt, "--json"];
  const { status, stdout, stderr } = await run("why", "triage", ...flags);
  expect([status, stderr]).toEqual([0, ""]);
  const { sentences, layers, nearest } = JSON.parse(stdout) as Record<string, Record<string, unknown>[]>;
  expect(sentences!.map(({ text }) => text).sort()).toEqual(["Answer in one word.", "Say what the customer wants."]);
  expect([layers!.length, nearest]).toMatchObject([2, [{ name: "other", version: 1 }]]);
});

test("a name that is not there is refused", async () => {
  expect((await run("why", "nobody")).stderr).toContain("not found");
});
