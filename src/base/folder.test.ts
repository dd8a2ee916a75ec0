import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { ensureFolder } from "./folder.ts";

const root = mkdtempSync(join(tmpdir(), "folder-"));
afterAll(() => rmSync(root, { recursive: true }));

test("a folder and those above it are made; one that is there stays", async () => {
  const path = join(root, "a", "b", "c");
  await ensureFolder(path);
  expect(statSync(path).isDirectory()).toBe(true);
  writeFileSync(join(path, "kept"), "");
  await Promise.all([ensureFolder(path), ensureFolder(`${path}/`), ensureFolder(join(root, "a", "x", "..", "b"))]);
  expect(existsSync(join(path, "kept"))).toBe(true);
});

test("several at once may make the same folder", async () => {
  const path = join(root, "many", "at", "once");
  await Promise.all(Array.from({ length: 8 }, () => ensureFolder(path)));
  expect(statSync(path).isDirectory()).toBe(true);
});

test.each([
  ["itself", []],
  ["above it", ["deeper", "still"]],
])("a file in the place of the folder %s is named as what it is", async (_, below) => {
  const file = join(root, "file");
  writeFileSync(file, "");
  await expect(ensureFolder(join(file, ...below))).rejects.toMatchObject({
    code: "E_IO",
    message: `cannot write ${file}: is a file, expected a folder`,
  });
});

test.skipIf(!existsSync("/proc/self"))(
  "where the system takes no folders that is said, and the call returns",
  async () => {
    await expect(ensureFolder("/proc/lora-gen/x")).rejects.toMatchObject({
      code: "E_IO",
      message: "cannot write /proc/lora-gen: no folder can be made in /proc",
    });
  },
);
