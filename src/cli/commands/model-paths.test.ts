import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { recordingContext } from "../../../test/support/cli-context.ts";
import { runCli } from "../program.ts";

const folder = mkdtempSync(join(tmpdir(), "model-paths-"));
afterAll(() => rmSync(folder, { recursive: true }));
const gguf = join(folder, "model.gguf");
writeFileSync(gguf, "GGUF");
const out = join(folder, "out");

test.each([
  [
    "unmerge of a model of the hub",
    ["unmerge", "--model", "owner/name", "--out", out],
    /^unmerge: --model: .* found nothing at owner\/name; ids of the hub go with --base$/,
  ],
])("%s is refused, saying what is taken", async (_, args, message) => {
  const { context, written } = recordingContext();
  const resolveModel = async (name: string) => (name === "owner/name" ? gguf : name);
  expect(await runCli([...args, "--json"], { ...context, resolveModel })).toBe(1);
  expect(JSON.parse(written.stdout)).toEqual({
    error: { code: "E_USAGE", message: expect.stringMatching(message) as unknown },
  });
});
