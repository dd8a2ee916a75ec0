/** @file SHA-256 of texts, bytes and files. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { joinSha256, sha256 } from "./hash.ts";
import { sha256File, sha256Files } from "./hash-file.ts";

test("a text hashes as its UTF-8 bytes (FIPS 180-2 vectors)", () => {
  expect(sha256("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  expect(sha256("")).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  expect(sha256(new TextEncoder().encode("küche"))).toBe(sha256("küche"));
});

test("a file of many pieces hashes as its whole content", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "hash-")), "big");
  const bytes = new Uint8Array(3_000_001).map((_, i) => i * 7);
  writeFileSync(path, bytes);
  expect(await sha256File(path)).toBe(sha256(bytes));
});

test("a missing file is E_NOT_FOUND", async () => {
  await expect(sha256File("/no/such/file")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
});

test("one file is known by its own hash, several by all in order", () => {
  const [a, b] = [sha256("a"), sha256("b")];
  expect(joinSha256([a])).toBe(a);
  expect(joinSha256([a, b])).toBe(sha256(`${a}\n${b}`));
});

test("files are known by the hash of all in order, wherever they lie", async () => {
  const folder = mkdtempSync(join(tmpdir(), "hash-"));
  const paths = ["a", "b"].map((name) => {
    writeFileSync(join(folder, name), name);
    return join(folder, name);
  });
  expect(await sha256Files(paths)).toBe(joinSha256([sha256("a"), sha256("b")]));
  expect(await sha256Files(paths.toReversed())).toBe(joinSha256([sha256("b"), sha256("a")]));
});
