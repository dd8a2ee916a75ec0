/** @file A store on a disk that fills up at every single write of every change, and has room again later. */
import { cpSync, mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fullDisk } from "../../../test/support/full-disk.ts";
import { openTinyPair, specializationOf } from "../../../test/support/tiny-pair.ts";
import { openTinyService } from "../../../test/support/tiny-service.ts";
import { sha256 } from "../../base/hash.ts";
import { isTemporaryName } from "../../base/temporary-name.ts";
import { encodeSpecialization } from "../../pair/specialization.ts";
import type { Certificate } from "../trust/certificate.ts";
import { openStore, type Store } from "./store.ts";

const disk = fullDisk();
afterAll(() => disk[Symbol.dispose]());

const known = { cloud: { sha256: sha256("c") }, edge: { sha256: sha256("e") }, generator: { sha256: sha256("g") } };
const contentOf = (gate: number) => specializationOf(known, [[gate, 0, 0, 1]]);
const score = { mean: 1, low: 1, high: 1 };
const party = { score, inputTokens: 3, ms: null };
const certificateOf = (object: string): Certificate => ({
  ...{ format: "lora-gen certificate 1", object, at: "2026-11-28T12:00:00.000Z", version: "0.1.0" },
  ...{ reference: { kind: "labels" }, scorer: "exact", inputs: 1, leftOut: 0, failed: 0, inputsSha256: sha256("x") },
  parties: { specialized: party, base: party, control: party },
  ahead: { base: score, control: score },
});
const objectOf = async (store: Store, name: string) => (await store.resolve("main", name)).object;

const now = () => new Date("2026-11-28T12:00:00.000Z");
const template = mkdtempSync(join(tmpdir(), "full-disk-"));
/** A name with two versions, of which the second has a certificate; another name of it; a content that no name has. */
beforeAll(async () => {
  const store = await openStore(template, { now });
  await store.put("main", "a", contentOf(0.25));
  await store.put("main", "a", contentOf(0.5));
  await store.certify("main", certificateOf(await objectOf(store, "a")));
  await store.alias("main", "live", "a");
  await store.put("main", "passing", contentOf(0.75));
  await store.remove("main", "passing");
});
async function prepared(): Promise<{ readonly store: Store; readonly folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), "full-disk-"));
  cpSync(template, folder, { recursive: true });
  return { store: await openStore(folder, { now }), folder };
}

/** All that a store answers with. */
async function stateOf(store: Store) {
  const names = await store.list("main");
  const objects = names.flatMap((name) => ("versions" in name ? name.versions.map(({ object }) => object) : []));
  const certificates = await Promise.all(objects.map((object) => store.certificate("main", object)));
  const contents = await Promise.all(objects.map((object) => store.read(object)));
  return { names, certificates, contents, damaged: (await store.verify()).damaged };
}

/** Least writes: where fewer are seen, this test has lost sight of them. */
const changes: readonly (readonly [what: string, leastWrites: number, change: (store: Store) => Promise<unknown>])[] = [
  ["a new version", 11, (store) => store.put("main", "a", contentOf(0.125))],
  ["a version of a new name of a new tenant", 12, (store) => store.put("other", "b", contentOf(0.125))],
  ["a content that another name has already", 11, (store) => store.put("main", "b", contentOf(0.5))],
  ["another name", 7, (store) => store.alias("main", "too", "a@1")],
  ["another name that stands for something else from now on", 7, (store) => store.alias("main", "live", "a@1")],
  ["a version that is taken back", 7, (store) => store.rollback("main", "a")],
  [
    "a certificate",
    7,
    async (store) => store.certify("main", { ...certificateOf(await objectOf(store, "a")), inputs: 2 }),
  ],
  ["a certificate that is forgotten", 3, async (store) => store.uncertify("main", await objectOf(store, "a"))],
  ["a name that is removed", 3, (store) => store.remove("main", "a")],
  ["contents that nobody has", 3, (store) => store.collect()],
  ["a repair", 3, (store) => store.repair()],
];

test.each(changes)(
  "%s: refused at every write there is, with nothing changed, and made when there is room",
  async (_, least, change) => {
    const done = await prepared();
    await change(done.store);
    const after = await stateOf(done.store);
    let writes = 0;
    for (; ; writes++) {
      const { store, folder } = await prepared();
      const before = await stateOf(store);
      disk.leave(writes);
      const error = await change(store).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      const refused = disk.free();
      if (error !== undefined)
        expect(error).toMatchObject({ code: "E_IO", message: expect.stringMatching(/: disk full$/) });
      expect(await stateOf(store)).toEqual(error === undefined ? after : before);
      const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
      expect(files.filter((path) => path.split("/").some(isTemporaryName))).toEqual([]);
      if (refused === 0) break;
      if (error !== undefined) await change(store);
      expect(await stateOf(store)).toEqual(after);
    }
    expect(writes).toBeGreaterThanOrEqual(least);
  },
);

test("a service whose disk is full refuses changes, answers by the version before, does not say where its store lies, and goes on with room", async () => {
  const pair = await openTinyPair();
  const folder = mkdtempSync(join(tmpdir(), "full-disk-"));
  await using service = await openTinyService(pair, {}, await openStore(folder));
  const put = (gate: number) => {
    const gates = Array.from({ length: pair.shape.edge.layers }, () => [gate, 0, 0, 1]);
    const init = { method: "PUT", body: encodeSpecialization(specializationOf(pair, gates)) };
    return service.ask("/v1/specializations/a", undefined, init);
  };
  const model = async () => {
    const question = { model: "a", messages: [{ role: "user", content: "hello" }], max_tokens: 1 };
    return ((await (await service.ask("/v1/chat/completions", question)).json()) as { model: string }).model;
  };
  expect((await put(0.25)).status).toBe(201);
  for (let writes = 0; ; writes++) {
    disk.leave(writes);
    const response = await put(0.5);
    if (disk.free() === 0) break;
    if (response.status === 201) continue;
    const text = await response.text();
    expect([response.status, text]).toEqual([503, expect.stringMatching(/disk full.*"E_IO"/)]);
    expect(text).not.toContain(folder);
    expect(await model()).toBe("a@1");
  }
  expect((await put(0.75)).status).toBe(201);
});
