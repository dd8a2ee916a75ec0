/** @file A service that is killed while it writes, and a collector beside it. `test/reliability/store-kills.ts` does the same many times. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { killServe } from "../support/serve-kills.ts";

test("killed three times amidst updates, rollbacks, other names and collections a service has lost nothing that it said was done", async () => {
  const folder = mkdtempSync(join(tmpdir(), "serve-kills-"));
  const { said, problems } = await killServe({ kills: 3, seed: "1", folder });
  expect(problems).toEqual([]);
  expect(said).toBeGreaterThan(3);
});
