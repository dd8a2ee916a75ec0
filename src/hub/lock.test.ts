/** @file Locks of downloads: held by processes that run, and by nobody else. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { lockDownload } from "./lock.ts";

const folder = mkdtempSync(join(tmpdir(), "lock-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "blob.lock");
const hasProc = existsSync("/proc/self/stat");

const held = (by: number) => ({
  code: "E_IO",
  message: `model: process ${by} is downloading it; if not, delete ${path}`,
});

test("a lock is one holder's until it is released, also within one process", async () => {
  const unlock = await lockDownload(path, "model");
  await expect(lockDownload(path, "model")).rejects.toMatchObject(held(process.pid));
  await unlock();
  expect(readdirSync(folder)).toEqual([]);
  await (await lockDownload(path, "model"))();
});

test("a lock of this process's number that an earlier process left is taken over", async () => {
  writeFileSync(path, `${process.pid} of an earlier start`);
  const unlock = await lockDownload(path, "model");
  await expect(lockDownload(path, "model")).rejects.toMatchObject(held(process.pid));
  await unlock();
});

test.skipIf(!hasProc)(
  "another process holds a lock as long as it is the one that took it (skipped without /proc)",
  async () => {
    const [boot] = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").split("\n");
    const ticks = readFileSync(`/proc/${process.ppid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ")[19];
    writeFileSync(path, `${process.ppid} ${boot} ${ticks}`);
    await expect(lockDownload(path, "model")).rejects.toMatchObject(held(process.ppid));
    writeFileSync(path, `${process.ppid} ${boot} ${Number(ticks) + 1}`);
    await (await lockDownload(path, "model"))();
  },
);

test.each(["", "7", "x", "0 x", "-1 x", "999999999 x"])(
  "a lock that names no running process is nobody's: %j",
  async (text) => {
    writeFileSync(path, text);
    await (await lockDownload(path, "model"))();
    expect(readdirSync(folder)).toEqual([]);
  },
);
