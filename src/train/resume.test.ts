import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { quietContext, toyConfig, toyJob } from "../../test/support/toy-training.ts";
import { trainLoop } from "./loop.ts";

type Changes = NonNullable<Parameters<typeof toyConfig>[1]>;

const folders: string[] = [];
afterAll(() => {
  for (const path of folders) rmSync(path, { recursive: true });
});
function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "resume-"));
  folders.push(path);
  return path;
}

/** Trains six steps of twelve, so that there is something to go on from. */
async function begun(changes: Changes = {}): Promise<string> {
  const output = folder();
  const stop = new AbortController();
  const job = toyJob(output);
  const batch: typeof job.batch = (request) => {
    if (request.step === 6) stop.abort();
    return job.batch(request);
  };
  await trainLoop(toyConfig(output, changes), { ...job, batch }, quietContext({ signal: stop.signal }));
  return output;
}

const resume = (output: string, changes: Changes, warn: (message: string) => void = () => undefined) =>
  trainLoop(
    toyConfig(output, changes),
    toyJob(output),
    quietContext({ resume: true, log: { info: () => undefined, warn } }),
  );

const keptIn = (output: string) => JSON.parse(readFileSync(join(output, "config.json"), "utf8")) as unknown;
const resultOf = (output: string) => readFileSync(join(output, "result.json"), "utf8");

test("the configuration is kept in the output from the start, defaults spelled out", async () => {
  const output = await begun();
  expect(keptIn(output)).toEqual(JSON.parse(JSON.stringify(toyConfig(output))));
});

test("resuming with another configuration is refused; every key that differs is named with both values", async () => {
  const output = await begun();
  const changes = { seed: 3, validateEvery: 5, optimizer: { learningRate: 0.2, beta1: 0.5 } };
  await expect(resume(output, changes)).rejects.toMatchObject({
    code: "E_MISMATCH",
    message: `${join(output, "config.json")}: the run was begun with seed 0, now 3; optimizer.learningRate 0.1, now 0.2; optimizer.beta1 0.9, now 0.5; validateEvery 4, now 5. Go on with what it was begun with, or choose another output`,
  });
  expect(keptIn(output)).toMatchObject({ seed: 0 });
  expect(await resume(output, {})).toMatchObject({ steps: 12 });
});

test("threads, recomputation, log lines and checkpoints may be others: the result is the same", async () => {
  const [plain, changed] = [await begun(), await begun()];
  await resume(plain, {});
  await resume(changed, { threads: 2, recompute: true, logEvery: 5, checkpointEvery: 1 });
  expect(resultOf(changed)).toBe(resultOf(plain));
  expect(keptIn(changed)).toMatchObject({ logEvery: 5 });
});

test.each([
  ["the schedule is constant", { optimizer: { schedule: "constant" } }, {}],
  ["the schedule's length is given", { optimizer: { scheduleSteps: 16 } }, {}],
  ["the schedule keeps its old length", {}, { optimizer: { scheduleSteps: 12 } }],
] as const)(
  "a run may be made longer where %s, and ends as one that was as long from the start",
  async (_, before, changes) => {
    const longer = { ...before, ...changes, steps: 16 };
    const [whole, parts] = [folder(), await begun(before)];
    await trainLoop(toyConfig(whole, longer), toyJob(whole), quietContext());
    await resume(parts, longer);
    expect(resultOf(parts)).toBe(resultOf(whole));
  },
);

test("a run is not made longer where its schedule would change, nor shorter than it is", async () => {
  const output = await begun();
  await expect(resume(output, { steps: 16 })).rejects.toMatchObject({
    code: "E_MISMATCH",
    message: expect.stringContaining("optimizer.scheduleSteps 12, now 16.") as unknown,
  });
  await expect(resume(output, { steps: 5, optimizer: { scheduleSteps: 12 } })).rejects.toMatchObject({
    code: "E_MISMATCH",
    message: "steps: expected at least the 6 already taken, found 5",
  });
});

test("a run without a kept configuration goes on with a warning, and is compared from then on", async () => {
  const output = await begun();
  rmSync(join(output, "config.json"));
  const warnings: string[] = [];
  await resume(output, { checkpointEvery: 1 }, (message) => warnings.push(message));
  expect(warnings).toEqual([expect.stringContaining("config.json is not there")]);
  await expect(resume(output, { seed: 1 })).rejects.toMatchObject({ code: "E_MISMATCH" });
});

test("a kept configuration that is broken is told as such", async () => {
  const output = await begun();
  writeFileSync(join(output, "config.json"), "{");
  await expect(resume(output, {})).rejects.toMatchObject({ code: "E_FORMAT" });
});
