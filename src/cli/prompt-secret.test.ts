import { mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { recordingContext } from "../../test/support/cli-context.ts";
import { promptSecret } from "./prompt-secret.ts";

const folder = () => mkdtempSync(join(tmpdir(), "store-"));
const secretIn = (store: string) => {
  const { context, written } = recordingContext();
  return { secret: promptSecret({ ...context, store }), written };
};

test("a secret is made once, for its owner alone, and found again", async () => {
  const store = join(folder(), "new/sub");
  const secret = await secretIn(store).secret;
  expect(secret).toHaveLength(32);
  expect(await secretIn(store).secret).toEqual(secret);
  expect(readdirSync(store)).toEqual(["prompt-secret"]);
  if (process.platform !== "win32") expect(statSync(join(store, "prompt-secret")).mode & 0o777).toBe(0o600);
  expect(await secretIn(folder()).secret).not.toEqual(secret);
});

test("of several that make it at once all have the same", async () => {
  const store = folder();
  const secrets = await Promise.all(Array.from({ length: 8 }, () => secretIn(store).secret));
  for (const secret of secrets) expect(secret).toEqual(readFileSync(join(store, "prompt-secret")));
});

test("one that is given for several machines is taken, and none is made", async () => {
  const { context } = recordingContext();
  const store = folder();
  const given = (promptSecret: string) => ({ ...context, store, promptSecret });
  expect(await promptSecret(given("07".repeat(32)))).toEqual(Buffer.alloc(32, 7));
  expect(readdirSync(store)).toEqual([]);
  await expect(promptSecret(given("07"))).rejects.toMatchObject({ code: "E_CONFIG" });
});

test("a damaged secret is refused; where none can be kept a warning says that the specialisation is anonymous", async () => {
  const store = folder();
  writeFileSync(join(store, "prompt-secret"), "short");
  await expect(secretIn(store).secret).rejects.toMatchObject({ code: "E_FORMAT" });
  const { secret, written } = secretIn(join(store, "prompt-secret", "sub"));
  expect(await secret).toBeUndefined();
  expect(written.stderr).toMatch(/^warning: .*anonymous\n$/);
});
