/** @file WebGPU and CPU agree on every op and on composed graphs with gradients. SwiftShader, in Debian's chromium, is the GPU. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import type { WebgpuReport } from "../support/webgpu-cases.ts";

const driver = "/usr/lib/chromium/vk_swiftshader_icd.json";
const root = resolve(import.meta.dirname, "../..");

/** The Vulkan driver and loader are chosen as a process starts: hence a process of its own. */
async function runOnSwiftShader(): Promise<WebgpuReport> {
  const searched = [process.env["LD_LIBRARY_PATH"], dirname(driver)].filter(Boolean).join(":");
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", "test/support/webgpu-cases.ts"], {
    cwd: root,
    env: { ...process.env, VK_ICD_FILENAMES: driver, LD_LIBRARY_PATH: searched },
    maxBuffer: 1 << 24,
    timeout: 200_000,
  });
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as WebgpuReport;
}

test("every op case and composed graph gives on WebGPU what it gives on CPU", async ({ skip }) => {
  if (!existsSync(driver)) skip(`no ${driver}: install Debian's chromium for a software GPU`);
  const report = await runOnSwiftShader();
  if ("cannotStart" in report) return skip(`WebGPU does not start: ${report.cannotStart}`);
  expect(Object.keys(report.cases).length).toBeGreaterThan(100);
  const wrong = Object.entries(report.cases).filter(
    ([, found]) => typeof found === "string" || !(found.gap !== null && found.gap < found.limit),
  );
  expect(wrong).toEqual([]);
});
