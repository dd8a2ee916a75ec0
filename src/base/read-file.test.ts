/** @file Reading files: what is no regular file is told, not waited for. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readFileBounded } from "./read-file.ts";
import { decodeUtf8 } from "./utf8.ts";

test("missing files, folders, pipes, devices and oversized files are told apart", async () => {
  const dir = mkdtempSync(join(tmpdir(), "read-"));
  mkdirSync(join(dir, "sub"));
  writeFileSync(join(dir, "big"), "0".repeat(11));
  writeFileSync(join(dir, "fits"), "0".repeat(10));
  execFileSync("mkfifo", [join(dir, "pipe")]);
  const read = (name: string) => readFileBounded(join(dir, name), 10);
  await expect(read("none")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  await expect(read("big/x")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  await expect(read("sub")).rejects.toMatchObject({ code: "E_IO" });
  await expect(read("big")).rejects.toMatchObject({ code: "E_LIMIT" });
  await expect(read("pipe")).rejects.toMatchObject({ code: "E_FORMAT" });
  await expect(readFileBounded("/dev/zero", 10)).rejects.toMatchObject({ code: "E_FORMAT" });
  expect(await read("fits")).toHaveLength(10);
});

test("a byte order mark is dropped, bytes that are no UTF-8 are refused", () => {
  expect(decodeUtf8(new Uint8Array([0xef, 0xbb, 0xbf, 0x31]), "x")).toBe("1");
  expect(() => decodeUtf8(new Uint8Array([0xe4, 0x22]), "name")).toThrow("name: not valid UTF-8");
});
