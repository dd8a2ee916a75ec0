/** @file Folders appear whole or not at all, also where the process is ended in between. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
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
