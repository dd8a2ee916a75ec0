/** @file Checkpoints: complete, resumable, and never lost to a kill. */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { isTemporaryName } from "../base/atomic-file.ts";
import type { JsonValue } from "../base/json.ts";
import { createRng } from "../base/rng.ts";
import { type Checkpoint, latestCheckpoint, loadCheckpoint, saveCheckpoint } from "./checkpoint.ts";
import { writeSafetensors } from "./safetensors-write.ts";

const folder = () => mkdtempSync(join(tmpdir(), "checkpoint-"));

const make = (step: number): Checkpoint => ({
  step,
  tensors: { w: { shape: [2, 2], data: new Float32Array([step, -0, 1e-45, Number.MAX_VALUE]) } },
  state: { seed: `step ${step}`, order: [3, 1, 2], best: null, lossScale: 0.1 + 0.2 },
});

test("a checkpoint loads bit-identically, its state included", async () => {
  const dir = folder();
  const path = await saveCheckpoint(join(dir, "new/sub"), make(123));
  expect(path.endsWith("step-00000123.safetensors")).toBe(true);
  const loaded = await loadCheckpoint(path);
  expect(loaded).toEqual(make(123));
  expect(new Uint8Array(loaded.tensors["w"]!.data.buffer)).toEqual(new Uint8Array(make(123).tensors["w"]!.data.buffer));
});

test("the newest is found by number, older ones go beyond `keep`, foreign files stay", async () => {
  const dir = folder();
  expect(await latestCheckpoint(dir)).toBeUndefined();
  expect(await latestCheckpoint(join(dir, "none"))).toBeUndefined();
  writeFileSync(join(dir, "notes.txt"), "");
  for (const step of [5, 90, 100, 123_456_789]) await saveCheckpoint(dir, { ...make(step), keep: 3 });
  expect(readdirSync(dir).sort()).toEqual([
    "notes.txt",
    "step-00000090.safetensors",
    "step-00000100.safetensors",
    "step-123456789.safetensors",
  ]);
  expect(await latestCheckpoint(dir)).toBe(join(dir, "step-123456789.safetensors"));
});

test("saving an earlier step (a run resumed from further back) never removes what was just saved", async () => {
  const dir = folder();
  await saveCheckpoint(dir, { ...make(200), keep: 1 });
  const path = await saveCheckpoint(dir, { ...make(110), keep: 1 });
  expect((await loadCheckpoint(path)).step).toBe(110);
});

test("state that JSON would silently change is refused before anything is written", async () => {
  const dir = folder();
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, undefined]) {
    const state = { best: bad } as JsonValue;
    await expect(saveCheckpoint(dir, { ...make(1), state })).rejects.toMatchObject({ code: "E_NAN" });
  }
  expect(readdirSync(dir)).toEqual([]);
});

test("a failed save keeps the checkpoint before it", async () => {
  const dir = folder();
  await saveCheckpoint(dir, { ...make(1), keep: 1 });
  const tensors = { w: { shape: [3], data: new Float32Array(2) } };
  await expect(saveCheckpoint(dir, { ...make(2), tensors, keep: 1 })).rejects.toMatchObject({ code: "E_SHAPE" });
  expect(readdirSync(dir)).toEqual(["step-00000001.safetensors"]);
});

test("other safetensors files are refused as checkpoints", async () => {
  const path = join(folder(), "step-00000001.safetensors");
  await writeSafetensors(path, []);
  await expect(loadCheckpoint(path)).rejects.toMatchObject({ code: "E_FORMAT", message: /found "none"/ });
  const kind = "lora-gen checkpoint 1";
  await writeSafetensors(path, [], { kind, step: "-1", state: "{}" });
  await expect(loadCheckpoint(path)).rejects.toMatchObject({ code: "E_FORMAT", message: /step or state/ });
  await writeSafetensors(path, [{ name: "w", dtype: "U8", shape: [0], data: new Uint8Array(0) }], {
    kind,
    step: "1",
    state: "1",
  });
  await expect(loadCheckpoint(path)).rejects.toMatchObject({ code: "E_FORMAT", message: /hold F32/ });
});

test("killed with SIGKILL while saving, the last complete checkpoint loads", async () => {
  const rng = createRng("kill");
  for (let round = 0; round < 5; round++) {
    const dir = folder();
    const begun = await killAtStep(dir, 3 + rng.int(5), rng.int(200_000));
    const { step, tensors, state } = await loadCheckpoint((await latestCheckpoint(dir))!);
    expect(step).toBeGreaterThanOrEqual(begun - 1); // a save begins when the one before it is complete
    expect(tensors["w"]!.data.every((value) => value === step)).toBe(true);
    expect(state).toEqual({ step });
    await saveCheckpoint(dir, make(step + 1));
    expect(readdirSync(dir).filter(isTemporaryName)).toEqual([]); // what the kill left behind is gone
  }
});

/** Runs the saving process, kills it some turns of this loop after it began step `step`; returns the last step it began. */
async function killAtStep(dir: string, step: number, spins: number): Promise<number> {
  const script = join(import.meta.dirname, "../../test/support/save-checkpoints.ts");
  const child = spawn(process.execPath, ["--import", "tsx", script, dir], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = new Promise((done) => child.once("exit", done));
  let begun = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    begun = Number(line);
    if (begun === step) {
      for (let i = 0, x = 0; i < spins * 50; i++) x += Math.sqrt(i + x); // let it get somewhere into the save
      child.kill("SIGKILL");
    }
  }
  await exited;
  return begun;
}
