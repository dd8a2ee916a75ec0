import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { recordingContext } from "../../test/support/cli-context.ts";
import { specializationOf } from "../../test/support/tiny-pair.ts";
import { hexToBase64 } from "../base/base64.ts";
import { replaceSpecialization } from "./replace-specialization.ts";

const folder = mkdtempSync(join(tmpdir(), "replace-"));
afterAll(() => rmSync(folder, { recursive: true }));

const known = { sha256: "a".repeat(64) };
const of = (promptHmac: string) =>
  specializationOf({ cloud: known, edge: known, generator: known }, [[0.5, 0]], { promptHmac });

test("a specialisation takes the place of another prompt's, and one line on stderr names that; the same prompt's is no news", async () => {
  const [first, second] = ["1".repeat(64), "2".repeat(64)];
  const file = join(folder, "specialization.json");
  const said = async (prompt: string) => {
    const { context, written } = recordingContext();
    const { bytes } = await replaceSpecialization(context, folder, of(prompt));
    const text = readFileSync(file, "utf8");
    expect([text.length, text]).toEqual([bytes, expect.stringContaining(hexToBase64(prompt))]);
    expect(written.stdout).toBe("");
    return written.stderr;
  };
  expect(await said(first)).toBe("");
  expect(await said(first)).toBe("");
  expect(await said(second)).toBe(
    `replaced ${file}, the specialisation of another prompt (keyed hash 111111111111…)\n`,
  );
  writeFileSync(file, "{}");
  await expect(said(second)).rejects.toMatchObject({
    code: "E_USAGE",
    message: expect.stringContaining(`${file}: expected a specialisation or nothing to replace`) as unknown,
  });
  expect(readFileSync(file, "utf8")).toBe("{}");
});
