/** @file Reading files: what is no regular file is told, not waited for. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sha256 } from "./hash.ts";
import { sha256File } from "./hash-file.ts";
import { copyRegularFile, readChunks, readFileBounded, readLimits } from "./read-file.ts";
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

test.skipIf(!existsSync("/proc/self/pagemap"))(
  "a file of the system that says it is empty and never ends is read to the bound",
  async () => {
    const link = join(mkdtempSync(join(tmpdir(), "read-")), "config.json");
    symlinkSync("/proc/self/pagemap", link);
    await expect(readFileBounded(link, 2 ** 20)).rejects.toMatchObject({ code: "E_LIMIT" });
    expect((await readFileBounded("/proc/self/stat", 2 ** 16)).length).toBeGreaterThan(10);
  },
);

test("a file that takes too long is given up", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "read-")), "slow");
  writeFileSync(path, "");
  truncateSync(path, 8 * readLimits.chunkBytes);
  let ms = 0;
  const now = () => (ms += readLimits.fileMs / 4);
  await expect(readFileBounded(path, 2 ** 30, { now })).rejects.toMatchObject({ code: "E_IO" });
});

test("every way to read refuses a pipe, and reads what is larger than a piece", async () => {
  const dir = mkdtempSync(join(tmpdir(), "read-"));
  const [pipe, large, copy] = [join(dir, "pipe"), join(dir, "large"), join(dir, "copy")];
  execFileSync("mkfifo", [pipe]);
  const refused = { code: "E_FORMAT", message: `${pipe}: not a regular file` };
  await expect(sha256File(pipe)).rejects.toMatchObject(refused);
  await expect(copyRegularFile(pipe, copy)).rejects.toMatchObject(refused);
  await expect(readChunks(pipe).next()).rejects.toMatchObject(refused);
  await expect(readChunks(join(dir, "none")).next()).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  const bytes = Buffer.alloc(2.5 * readLimits.chunkBytes, "abc");
  writeFileSync(large, bytes);
  expect(await sha256File(large)).toBe(sha256(bytes));
  expect(bytes.equals(await readFileBounded(large, bytes.length))).toBe(true);
  for await (const chunk of readChunks(large)) {
    expect(bytes.subarray(0, chunk.length).equals(chunk)).toBe(true);
    break; // and the file is closed
  }
  await copyRegularFile(large, copy);
  expect(await sha256File(copy)).toBe(sha256(bytes));
});

test("a byte order mark is dropped, bytes that are no UTF-8 are refused", () => {
  expect(decodeUtf8(new Uint8Array([0xef, 0xbb, 0xbf, 0x31]), "x")).toBe("1");
  expect(() => decodeUtf8(new Uint8Array([0xe4, 0x22]), "name")).toThrow("name: not valid UTF-8");
});
