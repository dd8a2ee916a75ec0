/** @file Folders appear whole or not at all, also where the process is ended in between. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, test } from "vitest";
import { requireRunning } from "../base/interrupt.ts";
import { withNewFolder } from "./new-folder.ts";

const root = mkdtempSync(join(tmpdir(), "new-folder-"));
afterAll(() => rmSync(root, { recursive: true }));
const listeners = () => process.listenerCount("exit");

test("what was filled gets its name, and nothing is left behind", async () => {
  const before = listeners();
  const path = join(root, "a", "model");
  const found = await withNewFolder(path, async (temporary) => {
    expect(existsSync(path)).toBe(false);
    writeFileSync(join(temporary, "config.json"), "{}");
    return 7;
  });
  expect(found).toBe(7);
  expect([readdirSync(join(root, "a")), readdirSync(path)]).toEqual([["model"], ["config.json"]]);
  expect(listeners()).toBe(before);
});

test("a failure leaves nothing", async () => {
  const before = listeners();
  mkdirSync(join(root, "b"));
  const failing = withNewFolder(join(root, "b", "model"), async (temporary) => {
    writeFileSync(join(temporary, "half"), "");
    throw new Error("no");
  });
  await expect(failing).rejects.toThrow("no");
  expect(readdirSync(join(root, "b"))).toEqual([]);
  expect(listeners()).toBe(before);
});

test("an interruption says that nothing was written, and where", async () => {
  const path = join(root, "stopped");
  await expect(withNewFolder(path, async () => requireRunning(AbortSignal.abort()))).rejects.toMatchObject({
    code: "E_INTERRUPTED",
    message: `stopped before the end; nothing was written to ${path}`,
  });
  expect(existsSync(path)).toBe(false);
});

test("the end of the process in the midst of it, as a second Ctrl-C brings, leaves nothing", () => {
  const folder = join(root, "c");
  mkdirSync(folder);
  const script = `
    import { mkdirSync, writeFileSync } from "node:fs";
    import { withNewFolder } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, "new-folder.ts")).href)};
    await withNewFolder(${JSON.stringify(join(folder, "model"))}, async (temporary) => {
      mkdirSync(temporary + "/onnx");
      writeFileSync(temporary + "/onnx/model.onnx", "half");
      console.log(temporary);
      process.exit(130);
    });`;
  const args = ["--import", "tsx", "--input-type=module", "--eval", script];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
  expect(status).toBe(130);
  expect(stdout).toContain(join(folder, ".model."));
  expect(readdirSync(folder)).toEqual([]);
});

test("an empty folder behind a link is filled; a link that leads nowhere, and a mounted file system, are refused before the work", async () => {
  const folder = join(root, "d");
  mkdirSync(join(folder, "far"), { recursive: true });
  symlinkSync("far", join(folder, "near"));
  symlinkSync("nowhere", join(folder, "dangling"));
  await withNewFolder(join(folder, "near"), async (temporary) => writeFileSync(join(temporary, "x"), ""));
  expect(readdirSync(join(folder, "far"))).toEqual(["x"]);
  const never = async () => expect.unreachable("the work began");
  await expect(withNewFolder(join(folder, "near"), never)).rejects.toMatchObject({ code: "E_USAGE" });
  await expect(withNewFolder(join(folder, "dangling"), never)).rejects.toMatchObject({ code: "E_IO" });
  expect(readdirSync(folder).sort()).toEqual(["dangling", "far", "near"]);
});

const isEmptyMount = existsSync("/dev/shm") && readdirSync("/dev/shm").length === 0;
test.skipIf(!isEmptyMount)(
  "a folder where a file system is mounted is refused before the work (needs an empty /dev/shm)",
  async () => {
    await expect(withNewFolder("/dev/shm", async () => expect.unreachable("the work began"))).rejects.toMatchObject({
      code: "E_USAGE",
      message: expect.stringContaining("is where a file system is mounted") as unknown,
    });
  },
);

test("a NUL in the path is an error with a code", async () => {
  await expect(withNewFolder(join(root, "a\0b"), async () => undefined)).rejects.toMatchObject({
    code: "E_IO",
    message: expect.stringContaining('a\\u0000b": a path cannot hold a NUL') as unknown,
  });
});

test("what a kill left goes with the next attempt", async () => {
  const folder = join(root, "e");
  mkdirSync(folder);
  const script = `
    import { writeFileSync } from "node:fs";
    import { withNewFolder } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, "new-folder.ts")).href)};
    await withNewFolder(${JSON.stringify(join(folder, "model"))}, async (temporary) => {
      writeFileSync(temporary + "/half", "half");
      process.kill(process.pid, "SIGKILL");
      await new Promise(() => setTimeout(() => undefined, 10_000));
    });`;
  const { signal } = spawnSync(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", script]);
  expect(signal).toBe("SIGKILL");
  expect(readdirSync(folder)).toEqual([expect.stringMatching(/^\.model\.[0-9a-f]{24}\.tmp$/)]);
  await withNewFolder(join(folder, "model"), async (temporary) => writeFileSync(join(temporary, "x"), ""));
  expect(readdirSync(folder)).toEqual(["model"]);
});
