/** @file Atomic writing: complete or not at all, and a clear reason when not. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeAtomic, writeFileAtomic } from "./atomic-file.ts";
import { AppError } from "./errors.ts";
import { ensureFolder } from "./folder.ts";
import { ioError } from "./io-error.ts";
import { readFileBounded } from "./read-file.ts";
import { isTemporaryName } from "./temporary-name.ts";

const folder = () => mkdtempSync(join(tmpdir(), "atomic-"));

test("a written file has the content, replaces the old one, and leaves nothing beside it", async () => {
  const dir = folder();
  const path = join(dir, "file.bin");
  await writeFileAtomic(path, "old");
  await writeFileAtomic(path, new Uint8Array([1, 2, 3]));
  expect([...readFileSync(path)]).toEqual([1, 2, 3]);
  expect(readdirSync(dir)).toEqual(["file.bin"]);
});

test("a failure while writing keeps the old file and removes the temporary one", async () => {
  const dir = folder();
  const path = join(dir, "file.txt");
  writeFileSync(path, "old");
  let temporary: string[] = [];
  const failing = writeAtomic(path, async (file) => {
    await file.write("half of the new con");
    temporary = readdirSync(dir).filter(isTemporaryName);
    throw new AppError("E_NAN", "weights are not finite");
  });
  await expect(failing).rejects.toMatchObject({ code: "E_NAN" });
  expect(temporary).toHaveLength(1);
  expect(readdirSync(dir)).toEqual(["file.txt"]);
  expect(readFileSync(path, "utf8")).toBe("old");
});

test.skipIf(!existsSync("/dev/full"))("a full disk is called a full disk (needs /dev/full)", async () => {
  const dir = folder();
  const path = join(dir, "file.txt");
  const writing = writeAtomic(path, async () => {
    const full = await open("/dev/full", "w");
    await full.write("x").finally(() => full.close());
  });
  await expect(writing).rejects.toMatchObject({ code: "E_IO", message: `cannot write ${path}: disk full` });
  expect(readdirSync(dir)).toEqual([]);
});

test("a missing folder, a file in place of a folder and a folder in place of the file are named", async () => {
  const dir = folder();
  writeFileSync(join(dir, "file"), "");
  mkdirSync(join(dir, "taken"));
  const attempt = (name: string) => writeFileAtomic(join(dir, name), "x");
  await expect(attempt("no/x.txt")).rejects.toMatchObject({ code: "E_IO", message: /the folder does not exist$/ });
  await expect(attempt("file/x.txt")).rejects.toMatchObject({ code: "E_IO", message: /not a folder$/ });
  await expect(attempt("taken")).rejects.toMatchObject({ code: "E_IO", message: /is a folder, expected a file$/ });
  expect(readdirSync(dir).sort()).toEqual(["file", "taken"]);
});

test.each([
  ["EACCES", "write", "E_IO", "not writable"],
  ["EROFS", "write", "E_IO", "not writable"],
  ["ENOSPC", "write", "E_IO", "disk full"],
  ["EACCES", "read", "E_IO", "not readable"],
  ["ENOENT", "read", "E_NOT_FOUND", "not found"],
  ["EXYZ", "read", "E_IO", "EXYZ"],
] as const)("%s on %s becomes %s: %s", (errno, access, code, why) => {
  const error = Object.assign(new Error(`${errno}: failed`), { code: errno, syscall: "open" });
  expect(ioError(error, access, "some/file")).toMatchObject({ code, message: expect.stringContaining(why) });
});

test("a path with a NUL is named as one, written or read", async () => {
  const path = join(folder(), "a\0b");
  const told = { code: "E_IO", message: `${JSON.stringify(path)}: a path cannot hold a NUL` };
  await expect(writeFileAtomic(path, "x")).rejects.toMatchObject(told);
  await expect(readFileBounded(path, 10)).rejects.toMatchObject(told);
  await expect(ensureFolder(path)).rejects.toMatchObject(told);
});

test("errors that are no system errors pass unchanged", () => {
  const error = new Error("internal: bug");
  expect(ioError(error, "write", "x")).toBe(error);
});
