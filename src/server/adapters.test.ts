/** @file vLLM's calls: what tools that were written for it send, and what they are answered. */
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTinyPair, specializationOf } from "../../test/support/tiny-pair.ts";
import { openTinyService, type TinyService } from "../../test/support/tiny-service.ts";
import { sha256 } from "../base/hash.ts";
import type { Pair } from "../pair/pair-file.ts";
import { writeSpecialization } from "../pair/specialization-file.ts";

const folder = mkdtempSync(join(tmpdir(), "adapters-"));
const adapters = join(folder, "adapters");
const outside = join(folder, "outside");
const link = join(folder, "link");
let pair: Pair;
let service: TinyService;
beforeAll(async () => {
  pair = await openTinyPair();
  const write = async (to: string, gate: number, changes = {}) => {
    const gates = Array.from({ length: pair.shape.edge.layers }, () => [gate, 0, 0, 1]);
    await writeSpecialization(to, specializationOf(pair, gates, changes));
  };
  await write(join(adapters, "first"), 0.25);
  await write(join(adapters, "team/second"), 0.5);
  await write(join(adapters, "foreign"), 0.5, { edgeSha256: sha256("another") });
  await write(outside, 0.75);
  mkdirSync(join(adapters, "peft"));
  writeFileSync(join(adapters, "peft", "adapter_config.json"), "{}");
  mkdirSync(join(adapters, "damaged"));
  writeFileSync(join(adapters, "damaged", "specialization.json"), '{"format": "lora-gen specialization 2"}');
  symlinkSync(join(adapters, "team"), join(adapters, "linked"));
  symlinkSync(outside, join(adapters, "leads-out"));
  mkdirSync(join(adapters, "file-leads-out"));
  symlinkSync(join(outside, "specialization.json"), join(adapters, "file-leads-out", "specialization.json"));
  symlinkSync(adapters, link);
  service = await openTinyService(pair, { adapters: link });
});
afterAll(() => service.close());

const load = (body: object) => service.ask("/v1/load_lora_adapter", body);
const unload = (body: object) => service.ask("/v1/unload_lora_adapter", body);
const told = async (response: Response) => [response.status, await response.text()];
const gateOf = async (name: string) => {
  const { object, version } = await service.store.resolve("main", name);
  return [version, (await service.store.read(object)).gates[0]![0]];
};

test("a specialisation is loaded, answers, is replaced where that is asked for, and unloaded, in vLLM's words", async () => {
  const added = "Success: LoRA adapter 'sql' added successfully.";
  expect(await told(await load({ lora_name: "sql", lora_path: "first" }))).toEqual([200, added]);
  expect(await gateOf("sql")).toEqual([1, 0.25]);
  const question = { model: "sql", prompt: "hello", max_tokens: 1 };
  expect(await (await service.ask("/v1/completions", question)).json()).toMatchObject({ model: "sql@1" });
  for (const more of [{}, { load_inplace: false }, { load_inplace: null }])
    expect(await told(await load({ lora_name: "sql", lora_path: "team/second", ...more }))).toEqual([
      400,
      expect.stringContaining("The lora adapter 'sql' has already been loaded."),
    ]);
  expect(await gateOf("sql")).toEqual([1, 0.25]);
  const inPlace = { lora_name: "sql", lora_path: "team/second", load_inplace: true };
  expect(await told(await load(inPlace))).toEqual([200, added]);
  expect(await gateOf("sql")).toEqual([2, 0.5]);
  expect(await told(await load(inPlace))).toEqual([200, added]); // the same again makes no version
  expect(await gateOf("sql")).toEqual([2, 0.5]);
  expect(await told(await unload({ lora_name: "sql" }))).toEqual([
    200,
    "Success: LoRA adapter 'sql' removed successfully.",
  ]);
  expect(await told(await unload({ lora_name: "sql" }))).toEqual([
    404,
    expect.stringContaining("The lora adapter 'sql' cannot be found."),
  ]);
  expect((await service.ask("/v1/completions", question)).status).toBe(404);
});

test.each([
  ["a slash at the end", "first/"],
  ["a folder in a folder", "./team//second"],
  ["the file itself", "first/specialization.json"],
  ["the whole path", join(adapters, "first")],
  ["the whole path with a slash at the end", `${join(adapters, "first")}/`],
  ["the whole path by way of the link that --adapters names", join(link, "first")],
  ["a link that stays inside", "linked/second"],
])("%s is a path that it takes", async (_, path) => {
  const more = { lora_int_id: 7, base_model_name: "tiny-0", is_3d_lora_weight: false, load_inplace: false };
  expect((await load({ lora_name: "taken", lora_path: path, ...more })).status).toBe(200);
  expect((await unload({ lora_name: "taken", lora_int_id: 7 })).status).toBe(200);
});

const isOutside = "expected a path inside the folder of adapters";
const isMissing = "No adapter found";
test.each([
  ["a path that climbs out", "../outside", 400, isOutside],
  ["one that climbs out and is not there", "../nowhere", 400, isOutside],
  ["a whole path elsewhere", outside, 400, isOutside],
  ["a whole path elsewhere that is not there", "/nowhere/at/all", 400, isOutside],
  ["a folder that begins like it", `${adapters}-too`, 400, isOutside],
  ["a link that leads out", "leads-out", 400, isOutside],
  ["a file that is a link that leads out", "file-leads-out", 400, isOutside],
  ["a NUL", "first\0", 400, isOutside],
  ["nothing", "", 400, "must be provided"],
  ["what is not there", "nowhere", 404, isMissing],
  ["a PEFT adapter", "peft", 404, isMissing],
  ["a file that is none", "damaged", 400, "lora_path"],
  ["one of another pair", "foreign", 409, "lora_path"],
])("%s is refused with a reason that does not say where the folder lies", async (_, path, status, why) => {
  const [found, text] = await told(await load({ lora_name: "refused", lora_path: path }));
  expect([found, text]).toEqual([status, expect.stringContaining(why)]);
  if (!path.startsWith("/")) expect(text).not.toContain(folder);
  await expect(service.store.get("main", "refused")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
});

test.each([
  ["large letters", "SQL-LoRA", 400, 'expected \\"sql-lora\\"'],
  ["a path", "team/sql", 400, "small letters"],
  ["nothing", "", 400, "must be provided"],
  ["the base model's", "tiny-0", 400, "conflicts with a served base model"],
])("a name with %s is refused, and cannot be unloaded", async (_, name, status, why) => {
  expect(await told(await load({ lora_name: name, lora_path: "first" }))).toEqual([
    status,
    expect.stringContaining(why),
  ]);
  expect((await unload({ lora_name: name })).status).toBe(name === "" ? 400 : 404);
});

test("without a folder of adapters nothing is loaded", async () => {
  await using closed = await openTinyService(pair);
  const response = await closed.ask("/v1/load_lora_adapter", { lora_name: "sql", lora_path: "first" });
  expect(await told(response)).toEqual([400, expect.stringContaining("--adapters DIR")]);
});
