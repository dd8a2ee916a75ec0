/** @file Checkpoints: complete, resumable, and never lost to a kill. */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import type { JsonValue } from "../base/json.ts";
import { createRng } from "../base/rng.ts";
import { isTemporaryName } from "../base/temporary-name.ts";
import { type Checkpoint, latestCheckpoint, loadCheckpoint, loadNewest, saveCheckpoint } from "./checkpoint.ts";
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

test("every bit of a checkpoint counts: one flipped anywhere is refused", async () => {
  const path = await saveCheckpoint(folder(), make(5));
  const sound = readFileSync(path);
  for (let at = 0; at < sound.length; at++) {
    const bytes = Buffer.from(sound);
    bytes[at]! ^= 1;
    writeFileSync(path, bytes);
    await expect(loadCheckpoint(path), `byte ${at}`).rejects.toMatchObject({ code: /^E_(FORMAT|LIMIT|DTYPE)$/ });
  }
});

test("a checkpoint of an earlier version, which has no checksum, loads", async () => {
  const { tensors, state } = make(3);
  const path = join(folder(), "step-00000003.safetensors");
  const entries = Object.entries(tensors).map(([name, tensor]) => ({ name, dtype: "F32" as const, ...tensor }));
  await writeSafetensors(path, entries, { kind: "lora-gen checkpoint 1", step: "3", state: JSON.stringify(state) });
  expect(await loadCheckpoint(path)).toEqual(make(3));
});

test("the newest sound checkpoint is found behind damaged ones, which are named", async () => {
  const dir = folder();
  expect(await loadNewest(dir)).toBeUndefined();
  const paths: string[] = [];
  for (const step of [1, 2, 3]) paths.push(await saveCheckpoint(dir, { ...make(step), keep: 3 }));
  writeFileSync(paths[2]!, "");
  truncateSync(paths[1]!, 300);
  const { checkpoint, damaged } = (await loadNewest(dir))!;
  expect(checkpoint).toEqual(make(1));
  expect(damaged.map(({ path }) => path)).toEqual([paths[2], paths[1]]);
  writeFileSync(paths[0]!, "");
  await expect(loadNewest(dir)).rejects.toMatchObject({
    code: "E_FORMAT",
    message: expect.stringContaining(paths[2]!) as unknown,
  });
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
