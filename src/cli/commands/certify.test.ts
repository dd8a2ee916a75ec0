import { cpSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { recordingContext } from "../../../test/support/cli-context.ts";
import { openTinyPair, writeTinyPair } from "../../../test/support/tiny-pair.ts";
import { openTinyService } from "../../../test/support/tiny-service.ts";
import { labelsSpec } from "../../constraint/spec.ts";
import { writeSpecialization } from "../../pair/specialization-file.ts";
import { specialize } from "../../pair/specialize.ts";
import { listenOn } from "../../server/serve.ts";
import type { Certificate } from "../../server/trust/certificate.ts";
import { runCli } from "../program.ts";

const folder = mkdtempSync(join(tmpdir(), "certify-"));
const pair = join(folder, "pair");
const prompt = "Say what the customer wants.";
const lines = (name: string, values: readonly object[]): string => {
  const path = join(folder, name);
  writeFileSync(path, values.map((value) => JSON.stringify(value)).join("\n"));
  return path;
};
const labelled = Array.from({ length: 10 }, (_, i) => [
  { input: `pay my bill ${i}`, target: "billing" },
  { input: `hello ${i}`, target: "greeting" },
]).flat();
const examples = lines("examples.jsonl", labelled);
const inputs = lines("inputs.jsonl", [{ input: "pay my bill" }, { input: "hello" }]);

async function run(...args: string[]) {
  const { context, written } = recordingContext();
  return { status: await runCli(args, { ...context, store: join(folder, "own") }), ...written };
}
const certify = (...args: string[]) => run("certify", "triage", "--pair", pair, "--threads", "1", ...args);

beforeAll(async () => {
  await writeTinyPair(pair);
  const constraint = labelsSpec(["billing", "greeting", "delivery"]);
  const specialization = await specialize(await openTinyPair(), prompt, { threads: 1, constraint });
  await writeSpecialization(join(folder, "triage"), specialization);
  const { constraint: _, ...free } = specialization;
  await writeSpecialization(join(folder, "free"), free);
  await run("push", "triage", "--specialization", join(folder, "triage"));
});

test("labelled examples give a certificate, which is shown and kept", async () => {
  const { status, stdout } = await certify("--examples", examples, "--prompt", prompt, "--threshold", "0", "--json");
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    model: "triage@1",
    reference: { kind: "labels" },
    scorer: "exact",
    inputs: 20,
    rung: "specialized",
  });
  const shown = (await certify("--examples", examples, "--threshold", "1")).stdout;
  expect(shown).toMatch(/^triage@1: 20 inputs, scored by exact against labelled examples; /);
  expect(shown).toMatch(/^specialized +\d+\.\d \[/m);
  expect(shown).not.toMatch(/^prompted/m); // its prompt was not given
  expect(shown).not.toContain("saved beside prompted");
  expect(shown).toContain("form kept unforced (20), %");
  expect(shown).toMatch(/^The lower end of its interval reaches that too: specialized no\.$/m);
  const prompted = (await certify("--examples", examples, "--prompt", prompt)).stdout;
  expect(prompted).toMatch(
    /^saved beside prompted: specialized: [\d.]+ \[[\d., ]+\] tokens an input, .* ms on 20 inputs$/m,
  );
});

test("the cloud model of another host is asked where nothing cheaper scores the threshold; away, the certificate says so", async () => {
  let asked = 0;
  await using far = await openTinyService(await openTinyPair(), { cloudAnswers: true, log: () => asked++ });
  const { url, close } = await listenOn(far.fetch, { host: "127.0.0.1", port: 0 });
  onTestFinished(close);
  const at = async (cloud: string) => {
    const args = ["--prompt", prompt, "--threshold", "1", "--cloud", cloud, "--json"];
    return JSON.parse((await certify("--examples", examples, ...args)).stdout) as Certificate;
  };
  const certificate = await at(url);
  await close();
  expect(certificate.parties.cloud?.inputTokens).toBe(certificate.parties.prompted?.inputTokens);
  expect(asked).toBeGreaterThanOrEqual(certificate.inputs);
  expect(await at(url)).toMatchObject({ rung: null, notTried: { cloud: "cloud: cannot be reached" } });
});

describe("a reference that is opened in this process", () => {
  test("a folder with a chat template: what it answers is right, under its name and hash", async () => {
    const model = join(folder, "judge");
    cpSync(join(pair, "edge"), model, { recursive: true });
    cpSync(join(pair, "tokenizer"), model, { recursive: true });
    expect((await certify("--inputs", inputs, "--prompt", prompt, "--reference", model)).stderr).toContain(
      "has no chat template",
    );
    const template = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}</s>{% endfor %}<|assistant|>";
    writeFileSync(join(model, "chat_template.jinja"), template);
    const { status, stderr } = await certify("--inputs", inputs, "--prompt", prompt, "--reference", model);
    // A random model names no label: that is said, and nothing is made up.
    expect([status, stderr]).toEqual([1, expect.stringContaining("nothing could be made of any answer")]);
    await run("push", "free", "--specialization", join(folder, "free"));
    const { stdout } = await run(
      ...["certify", "free", "--pair", pair, "--threads", "1", "--inputs", inputs, "--prompt", prompt, "--json"],
      ...["--reference", model],
    );
    const { reference } = JSON.parse(stdout) as Certificate;
    expect(reference).toMatchObject({ kind: "model", model: expect.stringMatching(/^judge [0-9a-f]{12}$/) });
  });

  test("the pair's cloud model by the word cloud", async () => {
    await run("push", "free", "--specialization", join(folder, "free"));
    const args = ["--inputs", inputs, "--prompt", prompt, "--reference", "cloud", "--json"];
    const { stdout, stderr } = await run("certify", "free", "--pair", pair, "--threads", "1", ...args);
    expect(JSON.parse(stdout), stderr).toMatchObject({ reference: { kind: "model", model: "cloud" }, inputs: 2 });
  });
});

test.each([
  ["neither examples nor inputs", [], "--examples FILE or --inputs FILE"],
  ["inputs without the prompt", ["--inputs", inputs], "expected the prompt"],
  ["a model that is not there", ["--inputs", inputs, "--prompt", prompt, "--reference", "no.gguf"], "no.gguf"],
  ["an address that is none", ["--inputs", inputs, "--reference", "here", "--reference-model", "m"], "http or https"],
  ["a reference without its model", ["--inputs", inputs, "--reference", "http://host/v1"], "together"],
  ["a name that is not there", ["--examples", examples, "--tenant", "other"], "not found"],
  ["a cloud that is no address", ["--examples", examples, "--cloud", "big-machine"], "http or https address"],
  ["a cloud that nothing would ask", ["--examples", examples, "--cloud", "http://far"], "expected --threshold"],
  ["a cloud model that nothing would ask", ["--examples", examples, "--cloud-answers"], "expected --threshold"],
  ["a file of another form", ["--inputs", examples, "--prompt", prompt], "line 1"],
])("%s: refused with the reason", async (_, args, why) => {
  const { status, stderr } = await certify(...args);
  expect([status, stderr]).toEqual([1, expect.stringContaining(why)]);
});
