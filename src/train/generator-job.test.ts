import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { quietContext } from "../../test/support/toy-training.ts";
import { configureGenerator, writeRunInputs } from "../../test/support/training-runs.ts";
import { runTraining } from "./run.ts";

test("a generator whose specialisations would not fit their file is refused before it is trained", async () => {
  const root = mkdtempSync(join(tmpdir(), "generator-job-"));
  await writeRunInputs(root);
  const output = join(root, "wide");
  const config = configureGenerator(root, output, { generator: { generation: "direct", routerHidden: 4097 } });
  await expect(runTraining(config, quietContext())).rejects.toMatchObject({
    code: "E_LIMIT",
    message: expect.stringMatching(/4097 numbers .*at most 4096 per layer/) as unknown,
  });
  expect(existsSync(output)).toBe(false);
  rmSync(root, { recursive: true });
});
