import { mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, expect, test } from "vitest";
import { type AdapterServer, llamaCppServer, vllmServer } from "../../../test/support/adapter-servers.ts";
import { recordingContext } from "../../../test/support/cli-context.ts";
import { openTinyPair, specializationOf, writeTinyPair } from "../../../test/support/tiny-pair.ts";
import type { Pair } from "../../pair/pair-file.ts";
import { writeSpecialization } from "../../pair/specialization-file.ts";
import { runCli } from "../program.ts";

const folder = mkdtempSync(join(tmpdir(), "deploy-"));
const pairFolder = join(folder, "pair");
let pair: Pair;
let server: AdapterServer;

async function run(...args: string[]) {
  const { context, written } = recordingContext();
  return { status: await runCli(args, { ...context, store: join(folder, "own") }), ...written };
}
const deploy = (to: string, out: string, ...more: string[]) =>
  run("deploy", "triage", server.url, "--to", to, "--out", out, "--pair", pairFolder, "--threads", "1", ...more);
const calls = (): string[] => server.asked.map((call) => call.split(" ").slice(0, 2).join(" "));

beforeAll(async () => {
  await writeTinyPair(pairFolder);
  pair = await openTinyPair();
  const gates = [
    [0, 1.5, 0, -1],
    [1, 0, 0.5, 0],
  ];
  await writeSpecialization(join(folder, "triage"), specializationOf(pair, gates));
  await run("push", "triage", "--specialization", join(folder, "triage"));
});
afterEach(() => server.close());

test("on vLLM it is tried under a name of its own, answers as it does here, and takes its name", async () => {
  server = await vllmServer(pair);
  const out = join(folder, "vllm");
  const { status, stdout, stderr } = await deploy("vllm", out, "--json");
  expect([status, stderr]).toEqual([0, ""]);
  const told = JSON.parse(stdout) as { asked: number; same: number; asBase: number };
  expect(told).toMatchObject({ model: "triage@1", use: '"model": "triage"', asBase: 0 });
  expect([told.asked > 3, told.same]).toEqual([true, told.asked]);
  const models = async () =>
    ((await (await fetch(`${server.url}/v1/models`)).json()) as { data: { id: string }[] }).data.map(({ id }) => id);
  expect(await models()).toEqual(["base", "triage"]);
  const written = readdirSync(out);
  expect((await deploy("vllm", out)).status).toBe(0); // again: the same export, in place
  expect([readdirSync(out), await models()]).toEqual([written, ["base", "triage"]]);
});

test("an older vLLM, which replaces nothing in place, has it unloaded and loaded", async () => {
  server = await vllmServer(pair, { isOld: true });
  const out = join(folder, "vllm-old");
  await deploy("vllm", out);
  const from = server.asked.length;
  expect((await deploy("vllm", out)).status).toBe(0);
  expect(
    calls()
      .slice(from)
      .filter((call) => call.includes("load")),
  ).toEqual([
    "POST /v1/load_lora_adapter",
    "POST /v1/load_lora_adapter",
    "POST /v1/unload_lora_adapter",
    "POST /v1/load_lora_adapter",
    "POST /v1/unload_lora_adapter",
  ]);
});

test("a server that does not answer as the specialisation does is refused, and left as it was", async () => {
  server = await vllmServer(pair, { ignoresAdapters: true });
  const { status, stderr } = await deploy("vllm", join(folder, "ignored"));
  expect([status, stderr]).toEqual([1, expect.stringMatching(/E_MISMATCH.*found 0 the same and [1-9]/)]);
  expect(server.asked.filter((call) => call.includes('"lora_name":"triage"'))).toEqual([]);
  expect(calls().at(-1)).toBe("POST /v1/unload_lora_adapter");
});

test("a folder that the server does not see is refused with its reason", async () => {
  server = await vllmServer(pair);
  const { status } = await deploy("vllm", join(folder, "unseen"), "--server-path", "/nowhere");
  expect(status).toBe(1);
  expect(calls()).not.toContain("POST /v1/completions");
});

test("llama.cpp's server loads at its start: the command is told, then it is asked, and set for all if that is wanted", async () => {
  const out = join(folder, "llama");
  server = await llamaCppServer(pair, []);
  const first = await deploy("llama.cpp", out);
  const path = join(out, readdirSync(out)[0]!, "adapter.gguf");
  expect([first.status, first.stderr]).toEqual([
    1,
    expect.stringContaining(`--lora-scaled ${path}:0, and deploy again`),
  ]);
  await server.close();
  server = await llamaCppServer(pair, [path]);
  const then = await deploy("llama.cpp", out, "--json");
  expect([then.status, then.stderr]).toEqual([0, ""]);
  expect(JSON.parse(then.stdout)).toMatchObject({ use: '"lora": [{"id": 0, "scale": 1}]', asBase: 0 });
  expect(calls()).not.toContain("POST /lora-adapters");
  expect((await deploy("llama.cpp", out, "--apply")).status).toBe(0);
  expect(await (await fetch(`${server.url}/lora-adapters`)).json()).toEqual([{ id: 0, path, scale: 1 }]);
});

test("too few inputs that tell it from the base model verify nothing: none is published", async () => {
  server = await vllmServer(pair);
  const { status, stderr } = await deploy("vllm", join(folder, "few"), "--input", "where is my parcel?", "hello");
  expect([status, stderr]).toEqual([1, expect.stringMatching(/E_USAGE.*at least 3 inputs.*of 2/)]);
  expect(server.asked.filter((call) => call.includes('"lora_name":"triage"'))).toEqual([]);
  const [completion] = server.asked.filter((call) => call.startsWith("POST /v1/completions"));
  expect(completion).toContain('"top_p":1,"repetition_penalty":1');
});
