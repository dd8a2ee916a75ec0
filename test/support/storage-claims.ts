/** @file What every storage of a store has to do, be it a folder, a bucket in this process, or a bucket of a real server. */
import assert from "node:assert/strict";
import { sha256 } from "../../src/base/hash.ts";
import { bucketLimits } from "../../src/server/store/bucket-storage.ts";
import type { Storage } from "../../src/server/store/storage.ts";
import type { Store } from "../../src/server/store/store.ts";
import { specializationOf } from "./tiny-pair.ts";

/** `open` opens the same new place again each time, as another machine would. */
type StorageClaim = readonly [title: string, check: (open: () => Promise<Storage>) => Promise<void>];
type MachineClaim = readonly [
  title: string,
  check: (open: () => Promise<Store>, wait: (ms: number) => Promise<void>) => Promise<void>,
];

const known = { cloud: { sha256: sha256("c") }, edge: { sha256: sha256("e") }, generator: { sha256: sha256("g") } };
/** A specialisation whose content no other number has. */
export const contentOf = (gate: number) => specializationOf(known, [[gate, 0, 0, 1]]);

const key = "names/main/a.json";
const text = async (storage: Storage, of = key): Promise<string | undefined> => {
  const file = await storage.readNow(of, 1000);
  return file && Buffer.from(file.bytes).toString("utf8");
};
const swap = (storage: Storage, content: string, tag: string | undefined): Promise<boolean> =>
  storage.change((writer) => writer.swap(key, content, tag));
const tagOf = async (storage: Storage): Promise<string | undefined> => (await storage.readNow(key, 1000))?.tag;

export const storageClaims: readonly StorageClaim[] = [
  [
    "what is written is read whole, by others too, under a tag of its content; what is not there is undefined",
    async (open) => {
      const [one, other] = [await open(), await open()];
      assert.equal(await one.read(key, 1000), undefined);
      await one.change((writer) => writer.put(key, "first ü"));
      assert.equal(await text(other), "first ü");
      const tag = await tagOf(one);
      await other.change((writer) => writer.put(key, "second"));
      assert.notEqual(await tagOf(one), tag);
      await assert.rejects(one.readNow(key, 3), { code: "E_LIMIT" });
    },
  ],
  [
    "a file is written where none is, once; and over the content that was read, and no other",
    async (open) => {
      const one = await open();
      assert.equal(await swap(one, "1", undefined), true);
      assert.equal(await swap(one, "2", undefined), false);
      const tag = await tagOf(one);
      assert.equal(await swap(one, "2", tag), true);
      assert.equal(await swap(one, "3", tag), false);
      assert.equal(await text(one), "2");
      const last = await tagOf(one);
      await one.change((writer) => writer.remove(key));
      assert.equal(await swap(one, "3", last), false);
      assert.equal(await text(one), undefined);
    },
  ],
  [
    "of many that write over the same content at the same moment one does, and says so",
    async (open) => {
      const machines = [await open(), await open()];
      await swap(machines[0]!, "begin", undefined);
      const tag = await tagOf(machines[0]!);
      const written = await Promise.all(Array.from({ length: 12 }, (_, i) => swap(machines[i % 2]!, `${i}`, tag)));
      assert.equal(written.filter(Boolean).length, 1);
      assert.equal(await text(machines[0]!), `${written.indexOf(true)}`);
    },
  ],
  [
    "a listing has every file below a prefix in order, however many, and none beside it or removed",
    async (open) => {
      const one = await open();
      const names = ["b", "a", "a-b", "d", "c"].map((name) => `objects/${name}.json`);
      await one.change(async (writer) => {
        for (const name of [...names, "objects-not/x.json", "names/main/x.json"]) await writer.put(name, "{}");
        await writer.remove(names[3]!);
        await writer.remove("objects/never-there.json");
      });
      const listed = (await one.list("objects/")).map((file) => file.key);
      assert.deepEqual(listed, [names[2], names[1], names[0], names[4]]);
    },
  ],
];

/** Of stores in a bucket. */
export const machineClaims: readonly MachineClaim[] = [
  [
    "two machines that write one name at the same time get a version each, and nothing is lost",
    async (open) => {
      const machines = [await open(), await open()];
      const writing = Array.from({ length: 12 }, (_, i) => machines[i % 2]!.put("main", "a", contentOf((i + 1) / 64)));
      const versions = (await Promise.all(writing)).map(({ version }) => version);
      assert.deepEqual(
        versions.sort((a, b) => a - b),
        Array.from({ length: 12 }, (_, i) => i + 1),
      );
      const { damaged, versions: count, unused } = await machines[0]!.verify();
      assert.deepEqual({ damaged, count, unused }, { damaged: [], count: 12, unused: [] });
    },
  ],
  [
    "a name that was changed on one machine is another on all of them, in no more time than is promised",
    async (open, wait) => {
      const [one, other] = [await open(), await open()];
      await one.put("main", "a", contentOf(0.25));
      assert.equal((await other.resolve("main", "a")).version, 1);
      await one.put("main", "a", contentOf(0.5));
      assert.equal((await one.resolve("main", "a")).version, 2);
      await wait(bucketLimits.staleMs);
      assert.equal((await other.resolve("main", "a")).version, 2);
      const { object } = await other.rollback("main", "a");
      await other.remove("main", "a");
      await wait(bucketLimits.staleMs);
      await assert.rejects(other.resolve("main", "a"), { code: "E_NOT_FOUND" });
      assert.equal((await one.read(object)).gates[0]![0], 0.25);
    },
  ],
];
