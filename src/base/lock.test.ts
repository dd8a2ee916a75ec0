/** @file Locks: held by processes that run, and by nobody else. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { takeLock } from "./lock.ts";

const folder = mkdtempSync(join(tmpdir(), "lock-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "blob.lock");
const hasProc = existsSync("/proc/self/stat");

const take = () => takeLock(path, (holder) => `process ${holder} is at it`);

const held = (by: number) => ({ code: "E_IO", message: `process ${by} is at it` });

test("a lock is one holder's until it is released, also within one process", async () => {
  const unlock = await take();
  await expect(take()).rejects.toMatchObject(held(process.pid));
  await unlock();
  expect(readdirSync(folder)).toEqual([]);
  await (await take())();
});

test("a lock of this process's number that an earlier process left is taken over", async () => {
  writeFileSync(path, `${process.pid} of an earlier start`);
  const unlock = await take();
  await expect(take()).rejects.toMatchObject(held(process.pid));
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
    await expect(take()).rejects.toMatchObject(held(process.ppid));
    writeFileSync(path, `${process.ppid} ${boot} ${Number(ticks) + 1}`);
    await (await take())();
  },
);

test.each(["", "7", "x", "0 x", "-1 x", "999999999 x"])(
  "a lock that names no running process is nobody's: %j",
  async (text) => {
    writeFileSync(path, text);
    await (await take())();
    expect(readdirSync(folder)).toEqual([]);
  },
);

test("of many that find a lock nobody holds, one takes it", async () => {
  for (let round = 0; round < 30; round++) {
    writeFileSync(path, "999999999 x");
    const all = await Promise.allSettled(Array.from({ length: 8 }, take));
    const unlocks = all.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    expect(unlocks).toHaveLength(1);
    await unlocks[0]!();
    expect(readdirSync(folder)).toEqual([]);
  }
});

test("a lock that a running process is about to take, for its holder has ended, is held by that process", async () => {
  writeFileSync(path, "999999999 x");
  const end = await takeLock(`${path}.removal`, () => "not held");
  await expect(take()).rejects.toMatchObject(held(process.pid));
  await end();
  await (await take())();
  expect(readdirSync(folder)).toEqual([]);
});

test.skipIf(process.platform === "win32")("a pipe in the lock's place is refused, not waited for", async () => {
  execFileSync("mkfifo", [path]);
  await expect(take()).rejects.toMatchObject({ code: "E_FORMAT", message: `${path}: not a regular file` });
  rmSync(path);
});
