/** @file A store in a bucket: several machines over it, and what happens where it does not answer. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type FakeS3, fakeCredentials, fakeS3 } from "../../../test/support/fake-s3.ts";
import { contentOf, machineClaims, storageClaims } from "../../../test/support/storage-claims.ts";
import { AppError } from "../../base/errors.ts";
import { type Bucket, openBucket } from "./bucket-client.ts";
import { bucketLimits, bucketStorage } from "./bucket-storage.ts";
import { openFolder } from "./folder-storage.ts";
import type { Storage } from "./storage.ts";
import { openStore, type Store, storeIn } from "./store.ts";

let fake: FakeS3;
let clockMs: number;
const sleep = () => new Promise<void>((done) => setImmediate(done));
const location = "s3://bucket/some/prefix";
const never = () => new Promise<void>(() => undefined);
/** Another machine. Its clock is the test's; it waits for a listing, however long that takes. */
const openStorage = async ({ patience = never } = {}): Promise<Storage> =>
  bucketStorage(await openBucket(location, fake.s3), { now: () => clockMs, sleep: patience });
const open = async (options?: Parameters<typeof openStorage>[0]): Promise<Store> =>
  storeIn(await openStorage(options), { now: () => new Date(), sleep });

beforeEach(async () => {
  for (const [name, value] of Object.entries(fakeCredentials)) vi.stubEnv(name, value);
  fake = await fakeS3();
  clockMs = 0;
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await fake[Symbol.asyncDispose]();
});

test.each(storageClaims)("in a folder: %s", async (_, check) => {
  const folder = mkdtempSync(join(tmpdir(), "storage-"));
  await check(() => openFolder(folder, sleep));
});

test.each(storageClaims)("in a bucket: %s", async (_, check) => {
  await check(openStorage);
});

test.each(machineClaims)("in a bucket: %s", async (_, check) => {
  await check(
    () => open(),
    async (ms) => {
      clockMs += ms;
    },
  );
});

describe("several machines", () => {
  test("ask the bucket nothing new within a second, and know a change after two", async () => {
    const [one, other] = [await open(), await open()];
    await one.put("main", "a", contentOf(0.25));
    await other.resolve("main", "a");
    await one.put("main", "a", contentOf(0.5));
    const before = fake.asked.length;
    clockMs = bucketLimits.renewMs - 1;
    expect((await other.resolve("main", "a")).version).toBe(1);
    expect(fake.asked.length).toBe(before);
    clockMs = bucketLimits.staleMs;
    expect((await other.resolve("main", "a")).version).toBe(2);
    expect(fake.asked.slice(before)).toEqual(["GET ", "GET some/prefix/names/main/a.json"]);
  });

  test("come one after the other where one was quicker, and a lost answer makes no second version", async () => {
    const [one, other] = [await open(), await open()];
    await one.put("main", "a", contentOf(0.25));
    await other.put("main", "a", contentOf(0.5));
    let quicker: Promise<unknown> | undefined;
    fake.faults.before = (method, key) => {
      if (method !== "PUT" || !key.endsWith("names/main/a.json") || quicker !== undefined) return;
      // It was read before this, and is another when the conditional write is looked at.
      const name = fake.objects.get(key)!;
      quicker = Promise.resolve();
      fake.objects.set(key, { ...name, text: name.text.replace('"current": 2', '"current": 1') });
    };
    expect((await one.put("main", "a", contentOf(0.75))).version).toBe(3);
    expect(quicker).toBeDefined();
    await one.put("main", "b", contentOf(0.25));
    fake.faults.lostAnswers.add("some/prefix/names/main/b.json");
    expect(await one.put("main", "b", contentOf(0.5))).toMatchObject({ version: 2, isNew: true });
    expect((await one.verify()).versions).toBe(5);
  });

  test("roll back and name once where an answer is lost", async () => {
    const store = await open();
    for (const gate of [0.25, 0.5, 0.75]) await store.put("main", "a", contentOf(gate));
    fake.faults.lostAnswers.add("some/prefix/names/main/a.json");
    expect((await store.rollback("main", "a")).version).toBe(2);
    expect(JSON.parse(fake.objects.get("some/prefix/names/main/a.json")!.text)).toMatchObject({ current: 2 });
    await store.put("main", "b", contentOf(0.25));
    fake.faults.lostAnswers.add("some/prefix/names/main/c.json");
    // The target goes in the moment in which the answer is lost.
    fake.faults.before = (method, key) => {
      if (method === "PUT" && fake.objects.has("some/prefix/names/main/c.json") && key.endsWith("c.json"))
        fake.objects.delete("some/prefix/names/main/b.json");
    };
    await store.alias("main", "c", "b");
  });

  test("keep a name that another makes while a lost one is repaired, and a content that is stored anew meanwhile", async () => {
    const [one, other] = [await open(), await open()];
    await one.put("main", "a", contentOf(0.25));
    const { object } = await one.put("main", "b", contentOf(0.5));
    const stored = new Map(fake.objects);
    const [a, b] = ["a", "b"].map((name) => `some/prefix/names/main/${name}.json`) as [string, string];
    for (const key of [...fake.objects.keys()]) if (key.includes("objects/")) fake.objects.delete(key);
    const anew = { version: 2, object, at: new Date().toISOString() };
    let reads = 0;
    fake.faults.before = (method, key) => {
      if (method === "GET" && key === b && ++reads === 2) {
        const path = `some/prefix/objects/${object}.json`;
        fake.objects.set(path, stored.get(path)!);
      }
      if (method !== "DELETE" || key !== a) return;
      fake.faults.before = undefined;
      const path = `some/prefix/objects/${object}.json`;
      fake.objects.set(path, stored.get(path)!);
      const name = JSON.parse(fake.objects.get(a)!.text) as { versions: object[] };
      const text = JSON.stringify({ ...name, current: 2, versions: [...name.versions, anew] });
      fake.objects.set(a, { text, changed: new Date() });
    };
    await other.repair();
    expect(JSON.parse(fake.objects.get(a)!.text)).toMatchObject({ current: 2, versions: [anew] });
    expect(fake.objects.has(b)).toBe(true);
  });

  test("keep what they put aside just now, though it was aside before; other files there are left alone", async () => {
    const store = await open();
    const { object } = await store.put("main", "a", contentOf(0.25));
    await store.remove("main", "a");
    const aside = `some/prefix/aside/${object}-before.json`;
    const old = { text: fake.objects.get(`some/prefix/objects/${object}.json`)!.text, changed: new Date(0) };
    fake.objects.set(`some/prefix/objects/${object}.json`, { ...old });
    fake.objects.set(aside, { ...old });
    const strays = ["objects/notes", "aside/notes", "certificates/main/notes"].map((key) => `some/prefix/${key}.json`);
    for (const key of strays) fake.objects.set(key, { text: "{}", changed: new Date(0) });
    expect(await store.collect()).toEqual([object]);
    const copies = [...fake.objects.keys()].filter((key) => key.startsWith(`some/prefix/aside/${object}`));
    expect([copies.length, copies.includes(aside)]).toEqual([1, false]);
    expect(strays.filter((key) => fake.objects.has(key))).toEqual(strays);
    expect((await store.verify()).unused).toEqual([]);
    fake.objects.get(copies[0]!)!.text = "{}";
    await expect(store.read(object)).rejects.toMatchObject({ code: "E_FORMAT" });
    expect(fake.objects.has(`some/prefix/objects/${object}.json`)).toBe(false);
  });

  /** A content that no name has, kept and aside, both for long; and a machine. */
  async function unnamed() {
    const bucket = await openBucket(location, fake.s3);
    const machine = (over: Bucket) =>
      storeIn(bucketStorage(over, { now: () => clockMs, sleep: never }), { now: () => new Date(), sleep });
    const store = machine(bucket);
    const make = async () => {
      const { object } = await store.put("main", "a", contentOf(0.25));
      await store.remove("main", "a");
      for (const each of fake.objects.values()) each.changed = new Date(0);
      return object;
    };
    await make();
    await store.collect();
    return { bucket, machine, store, object: await make() };
  }

  test("collect at once: one that looked before does not remove what another puts aside", async () => {
    const { bucket, machine, store, object } = await unnamed();
    let isFirst = true;
    const slow = machine({
      ...bucket,
      async list(prefix, most) {
        const found = await bucket.list(prefix, most);
        if (prefix === "aside/" && isFirst) {
          isFirst = false;
          expect(await store.collect()).toEqual([object]);
        }
        return found;
      },
    });
    await slow.collect();
    expect((await store.read(object)).gates[0]![0]).toBe(0.25); // as one that was about to name it may need it
  });

  test("collect at once: a content that is named and brought back by one is not lost where the other goes on to remove it", async () => {
    const { bucket, machine, store, object } = await unnamed();
    let isFirst = true;
    const slow = machine({
      ...bucket,
      async delete(key, tag) {
        if (key.startsWith("objects/") && isFirst) {
          isFirst = false;
          await store.put("main", "b", contentOf(0.25));
          await store.collect();
        }
        return bucket.delete(key, tag);
      },
    });
    await slow.collect();
    expect((await store.verify()).damaged).toEqual([]);
    expect((await store.read(object)).gates[0]![0]).toBe(0.25);
  });

  test("list what is there when they are asked, also where a listing of before is under way", async () => {
    const other = await open();
    await other.put("main", "a", contentOf(0.25));
    const bucket = await openBucket(location, fake.s3);
    let after: ReturnType<Storage["list"]> | undefined;
    const list: Bucket["list"] = async (prefix, most) => {
      const found = await bucket.list(prefix, most);
      if (after === undefined) {
        await other.remove("main", "a");
        after = storage.list(prefix);
      }
      return found;
    };
    const storage = bucketStorage({ ...bucket, list }, { now: () => clockMs, sleep: never });
    expect(await storage.list("names/main/")).toHaveLength(1);
    expect(await after).toEqual([]);
  });

  test("sweep a trial that one left behind when it was killed, an hour later", async () => {
    const store = await open();
    await store.put("main", "a", contentOf(0.25));
    const [fresh, old] = ["fresh", "old"].map((name) => `some/prefix/trials/${name}.json`) as [string, string];
    fake.objects.set(fresh, { text: "{}", changed: new Date() });
    fake.objects.set(old, { text: "{}", changed: new Date(0) });
    await store.collect();
    expect([fresh, old].map((key) => fake.objects.has(key))).toEqual([true, false]);
  });

  test("ask five times before a first change whether conditions are kept, and three times for a change", async () => {
    const store = await open();
    await store.put("main", "a", contentOf(0.25));
    expect(fake.asked.length).toBe(5 + 3);
    await store.put("main", "a", contentOf(0.5));
    expect(fake.asked.length).toBe(5 + 3 + 3);
  });

  test("wait longer and longer where others are quicker every time, never beyond a limit, and then say so", async () => {
    const waits: number[] = [];
    const store = storeIn(await openStorage(), { now: () => new Date(), sleep: async (ms) => void waits.push(ms) });
    await store.put("main", "a", contentOf(0.25));
    let others = 0;
    fake.faults.before = (method, key) => {
      const name = fake.objects.get(key);
      if (method === "PUT" && key.endsWith("names/main/a.json")) name!.text += " ".repeat(++others % 2 ? 1 : 2);
    };
    await expect(store.put("main", "a", contentOf(0.5))).rejects.toMatchObject({ code: "E_BUSY" });
    expect(waits).toHaveLength(60);
    expect(waits.every((ms, i) => ms >= 0 && ms <= Math.min(400, 20 * (i + 1)))).toBe(true);
    expect(Math.max(...waits.slice(20))).toBeGreaterThan(100); // of 40 draws up to 400
  });

  test("agree on the secret by which prompts are recognised", async () => {
    const [one, other] = [await open(), await open()];
    await one.agreeOnSecret(new Uint8Array(32).fill(1));
    await other.agreeOnSecret(new Uint8Array(32).fill(1));
    await expect(other.agreeOnSecret(new Uint8Array(32).fill(2))).rejects.toMatchObject({ code: "E_MISMATCH" });
  });

  test("never lose what another is about to name: contents are left alone for an hour, and can be brought back", async () => {
    const [one, other] = [await open(), await open()];
    const { object } = await one.put("main", "a", contentOf(0.25));
    await one.remove("main", "a");
    const path = `some/prefix/objects/${object}.json`;
    expect(await other.collect()).toEqual([]);
    fake.objects.get(path)!.changed = new Date(Date.now() - bucketLimits.graceMs);
    // The other machine names it just when it is to be removed.
    const { text } = fake.objects.get(path)!;
    const name = { format: "lora-gen name 1", name: "b", current: 1 };
    const versions = [{ version: 1, object, at: new Date().toISOString() }];
    fake.faults.before = (method) => {
      if (method !== "DELETE") return;
      fake.objects.set(path, { text, changed: new Date() });
      fake.objects.set("some/prefix/names/main/b.json", {
        text: JSON.stringify({ ...name, versions }),
        changed: new Date(),
      });
    };
    expect(await other.collect()).toEqual([object]);
    fake.faults.before = undefined;
    expect(fake.objects.has(path)).toBe(false);
    clockMs = bucketLimits.staleMs;
    expect((await one.read((await one.resolve("main", "b")).object)).gates[0]![0]).toBe(0.25);
    expect(fake.objects.has(path)).toBe(true);
    expect((await one.verify()).damaged).toEqual([]);
  });

  test("find damage and repair it; what is set aside goes for good an hour later", async () => {
    const store = await open();
    for (const gate of [0.25, 0.5]) await store.put("main", "a", contentOf(gate));
    const gone = await store.put("main", "b", contentOf(0.75));
    await store.remove("main", "b");
    const { object } = await store.resolve("main", "a");
    fake.objects.get(`some/prefix/objects/${object}.json`)!.text = "{}";
    expect((await store.verify()).damaged).toEqual(["main/a@2"]);
    await store.repair();
    expect((await store.resolve("main", "a")).version).toBe(1);
    const age = () => {
      for (const each of fake.objects.values()) each.changed = new Date(0);
    };
    age();
    expect((await store.collect()).sort()).toEqual([gone.object, object].sort());
    age();
    expect(await store.collect()).toEqual([]);
    expect([...fake.objects.keys()].filter((key) => /objects|aside/.test(key))).toHaveLength(1);
  });
});

describe("a bucket that does not answer", () => {
  test("leaves what is known; the rest and every write are refused with a code; back, all goes on", async () => {
    const store = await open();
    const { object } = await store.put("main", "a", contentOf(0.25));
    expect(await store.certificate("main", object)).toBeUndefined();
    await store.resolve("main", "a");
    const before = [...fake.objects.keys()];
    fake.faults.isGone = true;
    clockMs = 60_000;
    expect((await store.resolve("main", "a")).version).toBe(1);
    expect(await store.certificate("main", object)).toBeUndefined();
    const refused = { code: "E_IO", message: expect.not.stringContaining(fake.s3.endpoint.slice(7)) };
    await expect(store.check()).rejects.toMatchObject(refused);
    await expect(store.read(object)).rejects.toMatchObject(refused);
    await expect(store.put("main", "a", contentOf(0.5))).rejects.toMatchObject(refused);
    await expect(store.resolve("other", "a")).rejects.toMatchObject(refused);
    fake.faults.isGone = false;
    expect([...fake.objects.keys()]).toEqual(before);
    clockMs += bucketLimits.retryMs;
    await store.check();
    expect((await store.put("main", "a", contentOf(0.5))).version).toBe(2);
    expect((await store.resolve("main", "a")).version).toBe(2);
  });

  test("is answered for by what is kept, also of a name that was to be changed", async () => {
    const store = await open();
    await store.put("main", "a", contentOf(0.25));
    await store.resolve("main", "a");
    await store.put("main", "b", contentOf(0.25));
    await store.put("main", "a", contentOf(0.5));
    fake.faults.isGone = true;
    await expect(store.put("main", "a", contentOf(0.75))).rejects.toMatchObject({ code: "E_IO" });
    expect((await store.resolve("main", "a")).version).toBe(2);
    expect((await store.resolve("main", "b")).version).toBe(1);
  });

  test("once, and was not asked for long, is asked before an answer is given", async () => {
    const [one, other] = [await open(), await open()];
    await one.put("main", "a", contentOf(0.25));
    await other.resolve("main", "a");
    fake.faults.isGone = true;
    clockMs = bucketLimits.staleMs;
    expect((await other.resolve("main", "a")).version).toBe(1);
    fake.faults.isGone = false;
    await one.put("main", "a", contentOf(0.5));
    clockMs += bucketLimits.outMs;
    expect((await other.resolve("main", "a")).version).toBe(2);
  });

  test("or is silent is not waited for where an answer is known", async () => {
    const store = await open({ patience: sleep });
    await store.put("main", "a", contentOf(0.25));
    await store.resolve("main", "a");
    fake.faults.isSilent = true;
    clockMs = 60_000;
    expect((await store.resolve("main", "a")).version).toBe(1);
  });

  test("or does not keep conditions is not written to", async () => {
    const store = await open();
    fake.faults.ignoresConditions = true;
    await expect(store.put("main", "a", contentOf(0.25))).rejects.toMatchObject({
      code: "E_IO",
      message: expect.stringContaining("If-None-Match"),
    });
    expect(fake.objects.size).toBe(0);
  });

  test("or compares tags without their quotation marks is given them so", async () => {
    fake.faults.comparesBareTags = true;
    const [store, other] = [await open(), await open()];
    await Promise.all([store.put("main", "a", contentOf(0.25)), other.put("main", "a", contentOf(0.5))]);
    expect((await store.put("main", "a", contentOf(0.75))).version).toBe(3);
    const { object } = await store.put("main", "b", contentOf(0.125));
    fake.objects.delete(`some/prefix/objects/${object}.json`);
    await store.repair();
    expect([...fake.objects.keys()].filter((key) => key.includes("/b.json"))).toEqual([]);
  });

  test("or loses one answer of the trial is written to", async () => {
    const store = await open();
    fake.faults.before = (method, key) => {
      if (method !== "PUT" || !key.includes("trials/")) return;
      fake.faults.before = undefined;
      fake.faults.lostAnswers.add(key);
    };
    expect((await store.put("main", "a", contentOf(0.25))).version).toBe(1);
    expect([...fake.objects.keys()].filter((key) => key.includes("trials/"))).toEqual([]);
  });

  test("or knows no conditional removal is asked for a plain one; one that knows no conditional write is not written to", async () => {
    const [store, other] = [await open(), await open()];
    const { object } = await store.put("main", "a", contentOf(0.25));
    fake.faults.unknown.add("DELETE");
    fake.objects.delete(`some/prefix/objects/${object}.json`);
    await store.repair();
    expect(fake.objects.size).toBe(0);
    fake.faults.unknown.add("PUT");
    const refused = { code: "E_IO", message: expect.stringContaining("If-None-Match") };
    await expect(other.put("main", "a", contentOf(0.25))).rejects.toMatchObject(refused);
    expect(fake.objects.size).toBe(0);
  });

  test.each([{ pages: 2 }, { files: 6 }])("or has more files than %j is not listed to the end", async (most) => {
    for (let i = 0; i < 7; i++) fake.objects.set(`some/prefix/objects/${i}.json`, { text: "{}", changed: new Date(0) });
    const bucket = await openBucket(location, fake.s3, most);
    await expect(bucket.list("objects/")).rejects.toMatchObject({ code: "E_LIMIT" });
    expect(await (await openBucket(location, fake.s3, { pages: 3, files: 7 })).list("objects/")).toHaveLength(7);
  });

  test("is not asked again for a listing within a second after it failed", async () => {
    const bucket = await openBucket(location, fake.s3);
    let asked = 0;
    let isGone = false;
    const list: Bucket["list"] = async (...given) => {
      asked++;
      if (isGone) throw new AppError("E_IO", "gone");
      return bucket.list(...given);
    };
    const storage = bucketStorage({ ...bucket, list }, { now: () => clockMs, sleep: never });
    await storage.read("names/main/a.json", 1000);
    isGone = true;
    const asks: number[] = [];
    for (clockMs = bucketLimits.renewMs; clockMs <= 3 * bucketLimits.renewMs; clockMs += bucketLimits.retryMs / 4) {
      await storage.read("names/main/a.json", 1000);
      await sleep(); // what was asked beside the request has failed
      asks.push(asked);
    }
    expect(asks).toEqual([2, 2, 2, 2, 3, 3, 3, 3, 4]);
  });

  test("or gives the same page again and again is not listed for ever", async () => {
    const store = await open();
    fake.faults.repeatsPages = true;
    await expect(store.list("main")).rejects.toMatchObject({ code: "E_IO", message: expect.stringContaining("page") });
  });

  test("is never told of with a password", async () => {
    const told = async (where: string, endpoint = fake.s3.endpoint) =>
      openStore(where, { s3: { endpoint } }).catch((error: unknown) => error);
    for (const error of [
      await told("s3://me:hunter2@bucket/x"),
      await told("S3://me:hun/hunter2@bucket"),
      await told("s3://bucket/x", "http://me:hunter2@127.0.0.1:1"),
      await told("s3://bucket/x", "me:hunter2@host"),
    ]) {
      expect(error).toMatchObject({ code: expect.stringMatching(/^E_(USAGE|CONFIG)$/) });
      expect(String(error)).not.toMatch(/hun|me:/);
    }
    await (await openStore("S3://bucket/x", { s3: fake.s3 })).check();
  });

  test.each(["s3://", "s3://B/x", "s3://bucket/../x", "s3:bucket"])("%s is none", async (where) => {
    await expect(openStore(where, { s3: fake.s3 })).rejects.toMatchObject({ code: "E_USAGE" });
  });

  test("or is not there is told at once", async () => {
    await expect(openStore("s3://nowhere/x", { s3: fake.s3 })).rejects.toMatchObject({
      code: "E_IO",
      message: "the store cannot be reached: there is no bucket nowhere",
    });
  });
});
