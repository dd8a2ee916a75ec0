import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { claimRunFolder, runFolder } from "./run-folder.ts";

test("what locks leave of processes that were killed is none of others' files; any other file is", async () => {
  const output = mkdtempSync(join(tmpdir(), "run-"));
  const { lock } = runFolder(output);
  for (const path of [lock, `${lock}.removal`]) writeFileSync(path, "999999999 x");
  await (await claimRunFolder(output, false))();
  writeFileSync(join(output, "notes.txt"), "");
  await expect(claimRunFolder(output, false)).rejects.toMatchObject({
    code: "E_USAGE",
    message: expect.stringContaining("others' files (notes.txt)"),
  });
});
