/** @file What is being written, and what was: only leftovers of processes that are gone are removed. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, test } from "vitest";
import { isTemporaryName, sweepTemporary, temporaryPath } from "./temporary-name.ts";

const root = mkdtempSync(join(tmpdir(), "temporary-"));
afterAll(() => rmSync(root, { recursive: true }));
const fresh = () => mkdtempSync(join(root, "one-"));
const hasProc = existsSync("/proc/self/stat");

/** What a process that is gone by now called its attempt to write `path`. */
function nameByAnother(path: string): string {
  const module = pathToFileURL(join(import.meta.dirname, "temporary-name.ts")).href;
  const script = `import { temporaryPath } from ${JSON.stringify(module)}; console.log(await temporaryPath(${JSON.stringify(path)}))`;
  const args = ["--import", "tsx", "--input-type=module", "--eval", script];
  return spawnSync(process.execPath, args, { encoding: "utf8" }).stdout.trim();
}

test("a name is hidden, of its file, and never the same", async () => {
  const [one, two] = [await temporaryPath("/a/model.bin"), await temporaryPath("/a/model.bin")];
  expect(one).toMatch(/^\/a\/\.model\.bin\.[0-9a-f]{24}\.tmp$/);
  expect(one).not.toBe(two);
  expect(
    [one, ".x.0123456789ab.tmp", ".x.tmp", "x.0123456789ab.tmp"].map((path) => isTemporaryName(basename(path))),
  ).toEqual([true, true, false, false]);
});

test("what an ended process left of the same file is removed; what this one writes, and other files' leftovers, stay", async () => {
  const path = join(fresh(), "model");
  const [left, mine] = [nameByAnother(path), await temporaryPath(path)];
  mkdirSync(left);
  writeFileSync(join(left, "half"), "");
  const others = nameByAnother(join(path, "..", "model.json"));
  for (const name of [mine, others]) writeFileSync(name, "");
  await sweepTemporary(path);
  expect(readdirSync(join(path, "..")).sort()).toEqual([mine, others].map((name) => basename(name)).sort());
});

test.skipIf(!hasProc)("a process that has the number of the writer by now is told from it (needs /proc)", async () => {
  const path = join(fresh(), "model");
  const mine = await temporaryPath(path);
  const earlier = mine.replace(
    /(.)(.{9}\.tmp)$/,
    (_, digit: string, rest: string) => (digit === "0" ? "1" : "0") + rest,
  );
  for (const name of [mine, earlier]) writeFileSync(name, "");
  await sweepTemporary(path);
  expect([existsSync(mine), existsSync(earlier)]).toEqual([true, false]);
});

test.each([".model.0123456789ab.tmp", ".model.ffffff000000010000aaaaaa.tmp"])(
  "where the writer cannot be asked for, a day of silence tells: %s",
  async (name) => {
    const folder = fresh();
    const path = join(folder, name);
    mkdirSync(path);
    writeFileSync(join(path, "weights"), "");
    const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000);
    utimesSync(join(path, "weights"), hoursAgo(23), hoursAgo(23));
    utimesSync(path, hoursAgo(99), hoursAgo(99));
    await sweepTemporary(join(folder, "model"));
    expect(readdirSync(folder)).toEqual([name]);
    utimesSync(join(path, "weights"), hoursAgo(25), hoursAgo(25));
    await sweepTemporary(join(folder, "model"));
    expect(readdirSync(folder)).toEqual([]);
  },
);

test("no folder is no matter", async () => {
  await sweepTemporary(join(root, "absent", "model"));
});
