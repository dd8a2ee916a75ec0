/** @file Exports over HTTP: whole archives, one of a tenant at a time, nothing left behind. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeGgufCopy } from "../../test/support/gguf-copy.ts";
import { openTinyPair, testTokenizer, writeTinyPair } from "../../test/support/tiny-pair.ts";
import { openTinyService, type TinyService } from "../../test/support/tiny-service.ts";
import { exportFormats } from "../export/formats.ts";
import { runExport } from "../export/run-export.ts";
import { specializationSource } from "../export/specialization-source.ts";
import { quantizations } from "../models/quantized/layout.ts";
import { loadPair, type Pair, writePairFile } from "../pair/pair-file.ts";
import { SPECIAL_TOKEN_LAYOUT } from "../text/prompt.ts";
import { createDownloads, type DownloadOptions } from "./downloads.ts";

const folder = mkdtempSync(join(tmpdir(), "downloads-"));
const temporary = join(folder, "temporary");
let pair: Pair;
let service: TinyService;
beforeAll(async () => {
  mkdirSync(temporary);
  pair = await openTinyPair();
  service = await openTinyService(pair, { temporary, edgeName: "me/edge" });
  await service.ask("/v1/specializations", { name: "triage", prompt: "Answer billing, delivery or refund." });
});
afterAll(() => service.close());
/** The folder of an archive's files. */
function unpack(name: string, bytes: Uint8Array): string {
  const [archive, taken] = [join(folder, `${name}.tar`), join(folder, `${name}-taken`)];
  writeFileSync(archive, bytes);
  mkdirSync(taken);
  execFileSync("tar", ["-xf", archive, "-C", taken]);
  return taken;
}
const download = (format: string) => service.ask(`/v1/specializations/triage/export?format=${format}`);

test.each(["peft", "gguf", "onnx"] as const)(
  "%s: the archive holds, byte for byte, what an export writes",
  async (format) => {
    const response = await download(format);
    expect([response.status, response.headers.get("content-disposition")]).toEqual([
      200,
      `attachment; filename="triage-1-${format}.tar"`,
    ]);
    const bytes = new Uint8Array(await response.arrayBuffer());
    expect(response.headers.get("content-length")).toBe(String(bytes.length));
    const taken = unpack(format, bytes);
    const out = join(folder, `${format}-wanted`);
    const content = await service.store.read((await service.store.resolve("main", "triage")).object);
    const { files } = await runExport(exportFormats[format], {
      ...specializationSource(pair, content, "me/edge"),
      scale: 1,
      out,
    });
    expect(files.length).toBeGreaterThan(1); // the constraint too
    for (const { name } of files)
      expect(readFileSync(join(taken, name)).equals(readFileSync(join(out, name)))).toBe(true);
    expect(readdirSync(temporary)).toEqual([]);
  },
);

test("of a tenant one is made at a time; one that is not read on leaves nothing, and the next is made", async () => {
  const first = await download("peft");
  expect((await download("peft")).status).toBe(429);
  const reader = first.body!.getReader();
  await reader.read();
  expect(readdirSync(temporary)).toHaveLength(1);
  await reader.cancel();
  expect(readdirSync(temporary)).toEqual([]);
  await (await download("peft")).arrayBuffer();
});

test.each([
  ["an unknown format", "zip", 400],
  ["a format that is not offered", "merged", 400],
])("%s is refused", async (_, format, status) => {
  expect((await download(format)).status).toBe(status);
});

test("asked for its head alone, none is held back", async () => {
  const path = "/v1/specializations/triage/export?format=peft";
  expect((await service.ask(path, undefined, { method: "HEAD" })).status).toBe(200);
  await (await download("peft")).arrayBuffer();
  expect(readdirSync(temporary)).toEqual([]);
});

test("at the end of the service nothing is left of one that was not read", async () => {
  const other = await openTinyService(pair, { temporary });
  await other.ask("/v1/specializations", { name: "triage", prompt: "Be brief." });
  const response = await other.ask("/v1/specializations/triage/export?format=peft");
  await other.close();
  expect(readdirSync(temporary)).toEqual([]);
  await expect(response.arrayBuffer()).rejects.toThrow("ended before it was read");
});

describe("limits", () => {
  const open = (limits: DownloadOptions["limits"]) =>
    createDownloads(pair, { baseName: "me/edge", folder: temporary, date: () => new Date(0), limits });
  const content = async () => service.store.read((await service.store.resolve("main", "triage")).object);
  const { signal } = new AbortController();

  test("tenants do not wait for each other, up to a number of all", async () => {
    const downloads = open({ running: 2 });
    const of = async (tenant: string) => downloads.open(tenant, await content(), "peft", signal);
    const taken = [await of("one"), await of("two")];
    await expect(of("one")).rejects.toThrow("another one of yours");
    await expect(of("three")).rejects.toThrow("2 are being made");
    await Promise.all(taken.map(({ body }) => body.cancel()));
    await (await of("three")).body.cancel();
    expect(readdirSync(temporary)).toEqual([]);
  });

  test.each(["peft", "onnx"] as const)("%s: one that is too large is refused before it is written", async (format) => {
    const downloads = open({ bytes: 1000 });
    const made = downloads.open("main", await content(), format, signal);
    expect(readdirSync(temporary)).toEqual([]);
    await expect(made).rejects.toMatchObject({ code: "E_LIMIT" });
  });

  test("a whole model of an edge model that is held quantised is refused, naming the formats that there are", async () => {
    const quantised = await openTinyPair({}, { quantize: { edge: quantizations.int8 } });
    const options = { baseName: "me/edge", folder: temporary, date: () => new Date(0) };
    const downloads = createDownloads(quantised, options);
    const whole = downloads.open("main", await content(), "onnx", signal);
    const message = expect.stringMatching(
      /^export: format onnx .*: expected peft or gguf, the adapter alone$/,
    ) as string;
    await expect(whole).rejects.toMatchObject({ code: "E_CONFIG", message });
    const refused = expect.stringContaining("holds quantised") as string;
    expect(downloads.offered()).toEqual([{ format: "peft" }, { format: "gguf" }, { format: "onnx", refused }]);
    await (await downloads.open("main", await content(), "peft", signal)).body.cancel();
    await downloads.close();
  });

  test("a whole model of weights in blocks has the numbers that they stand for, where there is memory for it", async () => {
    const directory = join(folder, "blocks");
    await writeTinyPair(directory);
    await writeGgufCopy(join(directory, "edge.gguf"), join(directory, "edge"), {
      tokenizer: testTokenizer,
      type: "Q4_1",
    });
    await writePairFile(directory, { name: "blocks", edge: "edge.gguf", layout: SPECIAL_TOKEN_LAYOUT });
    const [kept, wide] = [await loadPair(directory), await loadPair(directory, { keepBlocks: false })];
    expect([kept.edge.blocks !== undefined, wide.edge.blocks !== undefined]).toEqual([true, false]);
    const made = { ...(await content()), edgeSha256: kept.edge.sha256 };
    const options = { baseName: "me/edge", folder: temporary, date: () => new Date(0) };
    const downloads = createDownloads(kept, options);
    expect(downloads.offered()).toContainEqual({ format: "onnx" });
    const { body } = await downloads.open("main", made, "onnx", signal);
    const taken = unpack("blocks-onnx", new Uint8Array(await new Response(body).arrayBuffer()));
    const out = join(folder, "blocks-wanted");
    await runExport(exportFormats.onnx, { ...specializationSource(wide, made, "me/edge"), scale: 1, out });
    const model = join("onnx", "model.onnx");
    expect(readFileSync(join(taken, model)).equals(readFileSync(join(out, model)))).toBe(true);

    const small = createDownloads(kept, { ...options, freeBytes: () => 2_000_000 });
    expect(small.offered()[2]!.refused).toMatch(/^format onnx takes about \d+ MB of memory, and 2 MB are free here/);
    await expect(small.open("main", made, "onnx", signal)).rejects.toMatchObject({ code: "E_LIMIT" });
    for (const format of ["peft", "gguf"] as const)
      await (await small.open("main", made, format, signal)).body.cancel();
    expect(readdirSync(temporary)).toEqual([]);
  });

  test("one that is called off when it has just been made is not waited for, and leaves nothing", async () => {
    const leave = new AbortController();
    const date = () => {
      leave.abort();
      return new Date(0);
    };
    const downloads = createDownloads(pair, { baseName: "me/edge", folder: temporary, date });
    const { body } = await downloads.open("main", await content(), "peft", leave.signal);
    await expect(new Response(body).arrayBuffer()).rejects.toThrow("ended before it was read");
    await downloads.close();
    expect(readdirSync(temporary)).toEqual([]);
  });

  test("one whose folder cannot be removed keeps its tenant from no other one, and fails nothing", async () => {
    const [own, away] = [join(folder, "own"), join(folder, "away")];
    mkdirSync(own);
    const options = { baseName: "me/edge", folder: own, date: () => new Date(0) };
    const downloads = createDownloads(pair, options);
    const { body } = await downloads.open("main", await content(), "peft", signal);
    renameSync(own, away);
    writeFileSync(own, ""); // a file where its folder was
    await body.cancel();
    rmSync(own);
    renameSync(away, own);
    await (await downloads.open("main", await content(), "peft", signal)).body.cancel();
    await downloads.close();
  });

  test("one that is not made in time is refused, and leaves nothing", async () => {
    const downloads = open({ ms: 1 });
    await expect(downloads.open("main", await content(), "peft", signal)).rejects.toMatchObject({ code: "E_DEADLINE" });
    expect(readdirSync(temporary)).toEqual([]);
  });
});
