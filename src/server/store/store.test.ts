/** @file Names and contents in a folder. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { specializationOf } from "../../../test/support/tiny-pair.ts";
import { sha256 } from "../../base/hash.ts";
import type { Certificate } from "../trust/certificate.ts";
import { openStore, type Store, storeLimits } from "./store.ts";

const known = { cloud: { sha256: sha256("c") }, edge: { sha256: sha256("e") }, generator: { sha256: sha256("g") } };
const contentOf = (gate: number) => specializationOf(known, [[gate, 0, 0, 1]]);

let folder: string;
let store: Store;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "store-"));
  store = await openStore(folder, { now: () => new Date("2026-11-28T12:00:00.000Z") });
});
const objects = () => readdirSync(join(folder, "objects"));

describe("names", () => {
  test("stand for what was put last, and for every version by its number", async () => {
    await store.put("main", "a", contentOf(0.25));
    await store.put("main", "a", contentOf(0.5));
    expect((await store.resolve("main", "a")).version).toBe(2);
    const gateOf = async (name: string) => (await store.read((await store.resolve("main", name)).object)).gates[0]![0];
    expect([await gateOf("a"), await gateOf("a@1"), await gateOf("a@2")]).toEqual([0.5, 0.25, 0.5]);
  });

  test("the same content again is the version that is there", async () => {
    expect(await store.put("main", "a", contentOf(0.25))).toMatchObject({ version: 1, isNew: true });
    expect(await store.put("main", "a", contentOf(0.25))).toMatchObject({ version: 1, isNew: false });
    await store.put("main", "b", contentOf(0.25));
    expect(objects()).toHaveLength(1);
  });

  test("go back to the version before, to a given one, and on to a new one", async () => {
    for (const gate of [0.25, 0.5, 0.75]) await store.put("main", "a", contentOf(gate));
    expect((await store.rollback("main", "a")).version).toBe(2);
    expect((await store.rollback("main", "a")).version).toBe(1);
    await expect(store.rollback("main", "a")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
    expect((await store.rollback("main", "a", 3)).version).toBe(3);
    await store.rollback("main", "a", 1);
    expect((await store.put("main", "a", contentOf(0.5))).version).toBe(4);
  });

  test("another name follows the one it stands for, and is followed once", async () => {
    await store.put("main", "a", contentOf(0.25));
    await store.alias("main", "live", "a");
    await store.alias("main", "first", "a@1");
    await store.put("main", "a", contentOf(0.5));
    const versions = [await store.resolve("main", "live"), await store.resolve("main", "first")];
    expect(versions.map(({ version }) => version)).toEqual([2, 1]);
    await expect(store.alias("main", "again", "live")).rejects.toMatchObject({ code: "E_USAGE" });
    await expect(store.alias("main", "a", "live")).rejects.toMatchObject({ code: "E_USAGE" });
    await expect(store.put("main", "live", contentOf(0.5))).rejects.toMatchObject({ code: "E_USAGE" });
    await expect(store.alias("main", "next", "a@9")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  });

  test("do not take a content that could not be read again", async () => {
    const tooMany = specializationOf(known, [[0.25, 0.5, 0, 1]]);
    await expect(store.put("main", "a", tooMany)).rejects.toMatchObject({ code: "E_FORMAT" });
    expect([await store.list("main"), objects()]).toEqual([[], []]);
  });

  test("of one tenant are not those of another", async () => {
    await store.put("left", "a", contentOf(0.25), sha256("key"));
    await expect(store.resolve("right", "a")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
    expect(await store.list("right")).toEqual([]);
    expect(await store.findKey("right", sha256("key"))).toBeUndefined();
    expect((await store.findKey("left", sha256("key")))?.name).toBe("a");
  });

  test.each(["", "A", "a/b", "..", ".a", "a.", "a b", "a".repeat(65), "a@0", "a@1@2", "a\0"])(
    "%j is none",
    async (name) => {
      await expect(store.resolve("main", name)).rejects.toMatchObject({ code: "E_USAGE" });
      await expect(store.put("main", name, contentOf(1))).rejects.toMatchObject({ code: "E_USAGE" });
      expect(objects()).toEqual([]);
    },
  );
});

describe("looking after it", () => {
  test("contents that no name points to are removed, and no others", async () => {
    await store.put("main", "a", contentOf(0.25));
    await store.put("main", "a", contentOf(0.5));
    await store.put("main", "b", contentOf(0.75));
    await store.remove("main", "b");
    expect(await store.collect()).toHaveLength(1);
    expect(objects()).toHaveLength(2);
    expect(await store.collect()).toEqual([]);
  });

  test("a changed content is found out, never served, and forgotten by a repair; what is sound stays", async () => {
    await store.put("main", "a", contentOf(0.25));
    await store.put("main", "a", contentOf(0.5));
    const { object } = await store.resolve("main", "a");
    const path = join(folder, "objects", `${object}.json`);
    writeFileSync(path, readFileSync(path, "utf8").replace("0", "1"));
    await expect(store.read(object)).rejects.toMatchObject({
      code: "E_FORMAT",
      message: expect.not.stringContaining(folder), // who asks over HTTP is not told where the store lies
    });
    expect((await store.verify()).damaged).toEqual(["main/a@2"]);
    await store.repair();
    expect((await store.resolve("main", "a")).version).toBe(1);
    expect((await store.verify()).damaged).toEqual([]);
  });

  test("a name that cannot be read hides no other, and keeps contents from being removed", async () => {
    await store.put("main", "a", contentOf(0.25));
    await store.put("main", "b", contentOf(0.5));
    writeFileSync(join(folder, "names", "main", "b.json"), "{");
    expect((await store.resolve("main", "a")).version).toBe(1);
    const damaged: string[] = [];
    const listed = await store.list("main", (name) => damaged.push(name));
    expect([listed.map(({ name }) => name), damaged]).toEqual([["a"], ["b"]]);
    const { put, rollback, alias, remove } = store;
    const changes = [put("main", "b", contentOf(0.5)), rollback("main", "b"), alias("main", "b", "a")];
    const told = { status: "rejected", reason: { code: "E_DATA" } };
    expect(await Promise.allSettled([...changes, remove("main", "b")])).toMatchObject([told, told, told, told]);
    await expect(store.collect()).rejects.toMatchObject({ code: "E_FORMAT" });
    expect((await store.verify()).damaged).toEqual(["main/b"]);
    await store.repair();
    expect(await store.collect()).toHaveLength(1);
  });

  test("a content that was lost leaves the versions that are there; a name without any is gone", async () => {
    await store.put("main", "a", contentOf(0.25));
    rmSync(join(folder, "objects", objects()[0]!));
    await store.repair();
    await expect(store.resolve("main", "a")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  });
});

test("a certificate belongs to a tenant and a content, and goes with it", async () => {
  const { object } = await store.put("main", "a", contentOf(0.25));
  const score = { mean: 1, low: 1, high: 1 };
  const party = { score, inputTokens: 3, ms: null };
  const certificate: Certificate = {
    format: "lora-gen certificate 1",
    object,
    at: "2026-11-28T12:00:00.000Z",
    version: "0.1.0",
    reference: { kind: "labels" },
    scorer: "exact",
    inputs: 1,
    leftOut: 0,
    failed: 0,
    inputsSha256: sha256("x"),
    parties: { specialized: party, base: party, control: party },
    ahead: { base: score, control: score },
  };
  await store.certify("main", certificate);
  expect(await store.certificate("main", object)).toEqual(certificate);
  expect(await store.certificate("other", object)).toBeUndefined();
  await expect(store.certify("main", { ...certificate, object: sha256("gone") })).rejects.toMatchObject({
    code: "E_NOT_FOUND",
  });
  const { object: next } = await store.put("main", "a", contentOf(0.5));
  expect(await store.certificate("main", next)).toBeUndefined();
  await store.collect();
  expect(await store.certificate("main", object)).toEqual(certificate); // the version before is still there
  await store.put("main", "b", contentOf(0.25));
  await store.remove("main", "a");
  expect(await store.certificate("main", object)).toEqual(certificate); // another name of the tenant has it
  await store.remove("main", "b");
  expect(await store.certificate("main", object)).toBeUndefined(); // at once, for it may hold a prompt
  await expect(store.certify("main", certificate)).rejects.toMatchObject({ code: "E_NOT_FOUND" }); // measured meanwhile
  expect(await store.certificate("main", object)).toBeUndefined();
});

test("a name takes no more versions than its file can hold", async () => {
  const path = join(folder, "names", "main", "a.json");
  await store.put("main", "a", contentOf(0.25));
  const file = JSON.parse(readFileSync(path, "utf8")) as { versions: object[]; current: number };
  const key = sha256("key");
  const versions = Array.from({ length: storeLimits.versions }, (_, i) => ({
    ...file.versions[0],
    version: i + 1,
    key,
  }));
  writeFileSync(path, JSON.stringify({ ...file, versions, current: versions.length }, null, 2));
  await expect(store.put("main", "a", contentOf(0.5))).rejects.toMatchObject({ code: "E_LIMIT" });
  expect((await store.resolve("main", "a")).version).toBe(storeLimits.versions);
});

test("two writers at once lose nothing", async () => {
  const other = await openStore(folder, { sleep: () => new Promise((done) => setImmediate(done)) });
  const writing = Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? store : other).put("main", "a", contentOf(i / 8)));
  const versions = (await Promise.all(writing)).map(({ version }) => version);
  expect(versions.sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect((await store.verify()).versions).toBe(8);
});
