import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { recordingContext } from "../../../test/support/cli-context.ts";
import { writeTinyPair } from "../../../test/support/tiny-pair.ts";
import { runCli } from "../program.ts";

test("a pair's gates are attacked, the same with the same seed", async () => {
  const pair = join(mkdtempSync(join(tmpdir(), "leak-")), "pair");
  await writeTinyPair(pair);
  const run = async (...more: string[]) => {
    const { context, written } = recordingContext();
    const args = ["leak-check", "--pair", pair, "--threads", "1", "--prompts", "60", ...more];
    return { status: await runCli(args, context), ...written };
  };
  const first = await run("--json");
  expect(first.status).toBe(0);
  expect(JSON.parse(first.stdout)).toMatchObject({ prompts: 60, attacks: { kind: { trained: 36, asked: 24 } } });
  expect((await run("--json")).stdout).toBe(first.stdout);
  const coarser = { quarters: { digit: { asked: 24 } }, chosen: { kind: { asked: 24 } } };
  expect(JSON.parse(first.stdout)).toMatchObject({ coarser });
  const { stdout } = await run("--seed", "2");
  expect(stdout).toMatch(/^digit +\d+\.\d \[/m);
  expect(stdout).toMatch(/^name, which experts alone +\d+\.\d \[/m);
});
