import { mkdtemp, readdir, readFile, realpath, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type HubServer, startHub } from "../../test/support/hub-server.ts";
import { takeLock } from "../base/lock.ts";
import { silentLogger } from "../base/log.ts";
import { recordName } from "./cache.ts";
import { fetchModel, type HubOptions } from "./hub.ts";
import { parseHubId } from "./id.ts";

const commit = "0123456789abcdef0123456789abcdef01234567";
const weights = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) % 251));
const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const small = {
  "config.json": json({ model_type: "llama" }),
  "tokenizer.json": json({}),
  "tokenizer_config.json": json({}),
};
const extra = { "README.md": Buffer.from("#"), "pytorch_model.bin": weights, "onnx/model.onnx": weights };

let hub: HubServer;
let root: string;
let cache: string;
let warnings: string[];
beforeAll(async () => {
  hub = await startHub();
  root = await mkdtemp(join(tmpdir(), "hub-"));
});
afterAll(async () => {
  await hub.close();
  await rm(root, { recursive: true });
});
beforeEach(async () => {
  cache = await mkdtemp(join(root, "cache-"));
  warnings = [];
  hub.faults.length = 0;
  hub.requests.length = 0;
  hub.token = undefined;
  hub.models.clear();
  hub.models.set("org/one", {
    commit,
    files: { ...small, ...extra, "model.safetensors": weights },
    lfs: ["model.safetensors"],
  });
});

const options = (more: Partial<HubOptions> = {}): HubOptions => ({
  url: hub.url,
  cache,
  retries: 2,
  wait: async () => undefined,
  log: { ...silentLogger, warn: (message) => void warnings.push(message) },
  progress: () => ({ update: () => undefined, note: () => undefined, finish: () => undefined }),
  ...more,
});
const fetchOne = (id = "org/one", more: Partial<HubOptions> = {}) => fetchModel(parseHubId(id)!, options(more));
const fault = (at: string, ...faults: HubServer["faults"][number]["fault"][]) =>
  hub.faults.push(...faults.map((one) => ({ at, fault: one })));
const files = async (folder: string) => (await readdir(folder)).sort();
const blobs = () => files(join(cache, "models--org--one", "blobs")).catch(() => []);
const refused = (code: string, message: string | RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });
const asked = (text: string) => hub.requests.filter(({ url }) => url.includes(text));

describe("a model of the hub", () => {
  test("comes with the files that reading it takes, at its commit, with what was checked beside them", async () => {
    const folder = await fetchOne();
    expect(basename(folder)).toBe(commit);
    expect(await files(folder)).toEqual([
      recordName,
      "config.json",
      "model.safetensors",
      "tokenizer.json",
      "tokenizer_config.json",
    ]);
    expect(await readFile(join(folder, "model.safetensors"))).toEqual(weights);
    const record = JSON.parse(await readFile(join(folder, recordName), "utf8"));
    expect(record).toMatchObject({ id: "org/one", revision: "main", commit });
    const blob = basename(await realpath(join(folder, "model.safetensors")));
    expect(record.files["model.safetensors"]).toEqual({ bytes: 300_000, hash: `sha256:${blob}` });
    expect(await readFile(join(cache, "models--org--one", "refs", "main"), "utf8")).toBe(commit);
  });

  test("is downloaded once", async () => {
    await fetchOne();
    hub.requests.length = 0;
    await fetchOne();
    expect(hub.requests.map(({ url }) => url)).toEqual(["/api/models/org/one/revision/main?blobs=true"]);
  });

  test("at a commit is read from the cache without asking", async () => {
    const folder = await fetchOne(`org/one@${commit}`);
    hub.requests.length = 0;
    expect(await fetchOne(`org/one@${commit}`)).toBe(folder);
    expect(hub.requests).toEqual([]);
  });

  test("in shards comes with its index and every shard", async () => {
    const names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] as const;
    const index = json({ weight_map: { a: names[0], b: names[1], c: names[1] } });
    const shards = { [names[0]]: weights, [names[1]]: Buffer.from("second") };
    hub.models.set("org/one", {
      commit,
      files: { ...small, "model.safetensors.index.json": index, ...shards },
      lfs: names,
    });
    const folder = await fetchOne();
    expect(await readFile(join(folder, names[1]), "utf8")).toBe("second");
    await rm(join(folder, names[1]));
    const fault = fetchOne(`org/one@${commit}`, { isOffline: true });
    await expect(fault).rejects.toEqual(refused("E_NOT_FOUND", "no download is allowed"));
  });

  test("may be one GGUF file, named where there are several", async () => {
    hub.models.set("org/one", {
      commit,
      files: { "a.Q4_K.gguf": weights, "sub/b.gguf": Buffer.from("b") },
      lfs: ["a.Q4_K.gguf"],
    });
    await expect(fetchOne()).rejects.toEqual(
      refused("E_USAGE", "as org/one:a.Q4_K.gguf; found a.Q4_K.gguf, sub/b.gguf"),
    );
    expect(await readFile(await fetchOne("org/one@v1:sub/b.gguf"), "utf8")).toBe("b");
    expect(asked("a.Q4_K.gguf")).toEqual([]);
  });

  test("gives its tokenizer without its weights", async () => {
    const folder = await fetchModel(parseHubId("org/one")!, options(), "tokenizer");
    expect(await files(folder)).toEqual([recordName, "tokenizer.json", "tokenizer_config.json"]);
    await fetchOne();
    expect(Object.keys(JSON.parse(await readFile(join(folder, recordName), "utf8")).files)).toHaveLength(4);
  });

  test("without weights that can be read is refused with what there is", async () => {
    hub.models.set("org/one", { commit, files: { ...small, "pytorch_model.bin": weights } });
    await expect(fetchOne()).rejects.toEqual(refused("E_NOT_FOUND", "or a GGUF file, found pytorch_model.bin"));
  });
});

describe("a token", () => {
  test("opens a model, and goes to the hub alone", async () => {
    hub.token = "secret";
    await fetchOne("org/one", { token: "secret" });
    const to = (host: string) => hub.requests.filter((one) => one.host === host).map((one) => one.authorization);
    expect(new Set(to("hub"))).toEqual(new Set(["Bearer secret"]));
    expect(to("storage")).toEqual([undefined]);
  });

  test("that is missing or wrong is named", async () => {
    hub.token = "secret";
    await expect(fetchOne()).rejects.toEqual(refused("E_IO", /access denied \(status 401\).*HF_TOKEN, found none/));
    const wrong = fetchOne("org/one", { token: "guess" });
    await expect(wrong).rejects.toEqual(refused("E_IO", "HF_TOKEN, found one without it"));
    await expect(wrong).rejects.not.toEqual(refused("E_IO", "guess"));
  });

  test("of a gated model points to where access is asked for", async () => {
    fault("/api/", { status: 403, code: "GatedRepo" });
    await expect(fetchOne()).rejects.toEqual(refused("E_IO", `asked for access at ${hub.url}/org/one`));
  });
});

describe("secrets stay out of messages:", () => {
  const message = async (more: Partial<HubOptions>) => {
    const error = await fetchOne("org/one", more).then(
      () => undefined,
      (error: unknown) => error as Error,
    );
    const told: string[] = [];
    for (let one: unknown = error; one instanceof Error; one = one.cause) told.push(one.message, String(one.stack));
    expect(told.join("\n")).not.toContain("s3cr");
    return error;
  };

  test.each(["s3cr\net", "s3cr et", "s3crét", "s3cr\0et"])("a token that cannot be sent: %j", async (token) => {
    expect(await message({ token })).toMatchObject({
      code: "E_USAGE",
      message: expect.stringMatching(/^token \(HF_TOKEN\)/),
    });
  });

  test.each(["http://me:s3cret@", "ftp://me:s3cret@host", "me:s3cret@host", "http://me:s3cret@ho st", "s3cret"])(
    "an address that is none: %s",
    async (url) => {
      expect(await message({ url })).toMatchObject({ code: "E_USAGE", message: expect.stringMatching(/HF_ENDPOINT/) });
    },
  );

  test.each([
    ["the hub does not answer", "http://me:s3cret@127.0.0.1:9", {}, "E_IO"],
    ["it has no such model", undefined, { status: 404 }, "E_NOT_FOUND"],
    ["it refuses", undefined, { status: 403, code: "GatedRepo" }, "E_IO"],
    ["its answer is none", undefined, { body: "no" }, "E_FORMAT"],
  ] as const)("a password in the address, where %s", async (_, address, answer, code) => {
    const url = address ?? hub.url.replace("://", "://me:s3cret@");
    fault("/api/", answer);
    expect(await message({ url })).toMatchObject({ code });
  });

  test("a password in the address, where a file is cut", async () => {
    fault("model.safetensors", { cutAfter: 10 }, { cutAfter: 0 }, { cutAfter: 0 });
    const url = hub.url.replace("://", "://me:s3cret@");
    expect(await message({ url })).toMatchObject({
      code: "E_IO",
      message: expect.stringContaining(`from ${hub.url} (`),
    });
  });
});

test("a password in the address is sent to the hub, as such; beside a token it is refused", async () => {
  const url = hub.url.replace("://", "://me:p%40ss@");
  expect(await readFile(join(await fetchOne("org/one", { url }), "model.safetensors"))).toEqual(weights);
  const sent = (host: string) =>
    new Set(hub.requests.filter((one) => one.host === host).map((one) => one.authorization));
  expect(sent("hub")).toEqual(new Set([`Basic ${Buffer.from("me:p@ss").toString("base64")}`]));
  expect(sent("storage")).toEqual(new Set([undefined]));
  await expect(fetchOne("org/one", { url, token: "t" })).rejects.toEqual(refused("E_USAGE", "found both"));
});

describe("what is not there", () => {
  test.each([
    ["org/none", "has no model of that name"],
    ["org/one@v9", 'org/one: has no revision "v9"'],
    ["org/one:none.gguf", "has no such file"],
  ])("%s is an error that says so", async (id, message) => {
    await expect(fetchOne(id)).rejects.toEqual(refused("E_NOT_FOUND", message));
  });
});

describe("a download that is cut short", () => {
  test("goes on by range within one run", async () => {
    fault("model.safetensors", { cutAfter: 100_000 }, { cutAfter: 50_000 });
    const folder = await fetchOne();
    expect(await readFile(join(folder, "model.safetensors"))).toEqual(weights);
    const ranges = asked("model.safetensors")
      .filter(({ host }) => host === "storage")
      .map(({ range }) => range);
    expect(ranges).toHaveLength(3);
    expect(ranges[0]).toBeUndefined();
    expect(ranges.slice(1).every((range) => /^bytes=[1-9]\d*-$/.test(range!))).toBe(true);
  });

  test("again and again is refused, kept aside, and taken up by the next run", async () => {
    fault("model.safetensors", { cutAfter: 100_000 }, { cutAfter: 0 }, { cutAfter: 0 });
    await expect(fetchOne()).rejects.toEqual(
      refused("E_IO", /cut short after \d+ of 300000 bytes .*what came is kept/),
    );
    const [partial] = (await blobs()).filter((name) => name.endsWith(".incomplete"));
    const { size } = await stat(join(cache, "models--org--one", "blobs", partial!));
    expect(size).toBeGreaterThan(0);
    await expect(fetchOne("org/one", { isOffline: true })).rejects.toEqual(refused("E_NOT_FOUND", "not in"));
    hub.requests.length = 0;
    const folder = await fetchOne();
    expect(await readFile(join(folder, "model.safetensors"))).toEqual(weights);
    expect(asked("model.safetensors").at(-1)!.range).toBe(`bytes=${size}-`);
    expect((await blobs()).filter((name) => /incomplete|lock/.test(name))).toEqual([]);
  });

  test("by silence is broken off and goes on", async () => {
    fault("model.safetensors", { stallAfter: 1000 });
    const folder = await fetchOne("org/one", { stallMs: 1500 }); // far above what an answer takes, also on a busy machine
    expect(await readFile(join(folder, "model.safetensors"))).toEqual(weights);
  });

  test("by a trickle is broken off, and given up in the end", async () => {
    const slow = { trickleMs: 20 };
    hub.faults.push({ at: "model.safetensors", fault: slow }, { at: "model.safetensors", fault: slow });
    await expect(fetchOne("org/one", { stallMs: 1500 })).rejects.toEqual(
      refused("E_IO", /cut short after \d+ of 300000 bytes .*no more than \d+ bytes came for 1.5 s.*what came is kept/),
    );
    expect(await readFile(join(await fetchOne(), "model.safetensors"))).toEqual(weights);
  });

  test("starts anew where the range is not served, and where more is left over than there is", async () => {
    fault("model.safetensors", { cutAfter: 1000 }, { ignoreRange: true });
    const folder = await fetchOne();
    expect(await readFile(join(folder, "model.safetensors"))).toEqual(weights);
    const blob = await realpath(join(folder, "model.safetensors"));
    await rm(blob);
    await writeFile(`${blob}.incomplete`, Buffer.alloc(400_000));
    expect(await readFile(join(await fetchOne(), "model.safetensors"))).toEqual(weights);
  });

  test("by the user says so, keeps what came, and leaves no lock", async () => {
    const controller = new AbortController();
    const stop = () => ({ update: () => controller.abort(), note: () => undefined, finish: () => undefined });
    const stopped = fetchOne("org/one", { signal: controller.signal, progress: stop });
    await expect(stopped).rejects.toEqual(refused("E_INTERRUPTED", "what came is kept"));
    expect((await blobs()).filter((name) => name.endsWith(".lock"))).toEqual([]);
    expect(await readFile(join(await fetchOne(), "model.safetensors"))).toEqual(weights);
  });
});

describe("content that is not what the hub announced is refused and deleted:", () => {
  test.each<[string, string, HubServer["faults"][number]["fault"][], RegExp]>([
    [
      "other bytes of a large file",
      "model.safetensors",
      [{ corrupt: true }],
      /model\.safetensors: expected sha256 .*, found .*deleted/,
    ],
    [
      "other bytes of a small file",
      "/resolve/",
      [{ corrupt: true }],
      /config\.json: expected git hash .*, found .*deleted/,
    ],
    ["other bytes behind a cut", "model.safetensors", [{ cutAfter: 1000 }, { corrupt: true }], /expected sha256/],
    ["too many bytes", "model.safetensors", [{ tooLong: true }], /expected 300000 bytes, found more/],
    ["another range", "model.safetensors", [{ cutAfter: 1000 }, { wrongRange: true }], /found range/],
  ])("%s", async (_, at, faults, message) => {
    fault(at, ...faults);
    await expect(fetchOne()).rejects.toEqual(refused("E_FORMAT", message));
    expect(await files(join(cache, "models--org--one", "snapshots", commit)).catch(() => [])).not.toContain(
      "model.safetensors",
    );
    expect(await readFile(join(await fetchOne(), "model.safetensors"))).toEqual(weights);
  });

  test("a file in the cache that another program cut is fetched again", async () => {
    const folder = await fetchOne();
    await truncate(await realpath(join(folder, "model.safetensors")), 1000);
    expect(await readFile(join(await fetchOne(`org/one@${commit}`), "model.safetensors"))).toEqual(weights);
  });

  describe("a file in the cache of the right size and other content", () => {
    const change = async (path: string) => {
      const bytes = await readFile(path);
      bytes[1000]! ^= 1;
      await writeFile(path, bytes);
      await utimes(path, 1, 1);
    };
    const model = (folder: string) => join(folder, "model.safetensors");

    test.each(["org/one", `org/one@${commit}`])("is fetched again: %s", async (id) => {
      const path = model(await fetchOne(id));
      await change(await realpath(path));
      expect(await readFile(model(await fetchOne(id)))).toEqual(weights);
      expect(warnings).toEqual([expect.stringContaining("damaged"), ...warnings.slice(1)]);
    });

    test.each(["lora-gen", "another tool"])("is refused offline, downloaded by %s", async (by) => {
      const folder = await fetchOne();
      if (by === "another tool") await rm(join(folder, recordName));
      await change(await realpath(model(folder)));
      await expect(fetchOne("org/one", { isOffline: true })).rejects.toEqual(
        refused("E_FORMAT", /model\.safetensors is damaged: expected 300000 bytes of sha256 hash .*offline/),
      );
    });

    test("that was found sound is not read again until it changes", async () => {
      const folder = await fetchOne();
      await rm(join(folder, recordName));
      const blob = await realpath(model(folder));
      await utimes(blob, 1, 1);
      await fetchOne("org/one", { isOffline: true });
      const { checked } = JSON.parse(await readFile(join(folder, recordName), "utf8")) as { checked: object };
      expect(Object.keys(checked).sort()).toEqual([
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
      ]);
      await change(blob); // to the same time: only so it goes unnoticed
      expect(await fetchOne("org/one", { isOffline: true })).toBe(folder);
    });

    test("a copy in place of a link is looked at too", async () => {
      const path = model(await fetchOne());
      const bytes = await readFile(path);
      await rm(path);
      await writeFile(
        path,
        bytes.map((byte) => byte ^ 1),
      );
      expect(await readFile(model(await fetchOne()))).toEqual(weights);
    });
  });

  test.each(["", "null", "[]", "{}", '{"sha": "x", "siblings": []}', `{"sha": "${commit}"}`, "[".repeat(1000)])(
    "an answer about the model such as %.20s",
    async (body) => {
      fault("/api/", { body });
      await expect(fetchOne()).rejects.toMatchObject({ code: expect.stringMatching(/^E_(FORMAT|LIMIT)$/) });
    },
  );

  test.each(["../../evil.gguf", "/etc/evil.gguf", "a/../../evil.gguf", "a//evil.gguf"])(
    "a file name that leaves the folder: %s",
    async (name) => {
      const sibling = { rfilename: name, size: 1, blobId: commit };
      fault("/api/", { body: JSON.stringify({ sha: commit, siblings: [sibling] }) });
      await expect(fetchOne()).rejects.toEqual(refused("E_NOT_FOUND", "found none"));
    },
  );
});

describe("without a connection", () => {
  let nowhere: string;
  beforeAll(async () => {
    const closed = await startHub();
    nowhere = closed.url;
    await closed.close();
  });

  test("a model in the cache is used, with a warning", async () => {
    const folder = await fetchOne();
    expect(await fetchOne("org/one", { url: nowhere })).toBe(folder);
    expect(warnings).toEqual([expect.stringMatching(`cannot reach ${nowhere} .*; using commit ${commit}`)]);
  });

  test("any other is an error that says what to do", async () => {
    const message = new RegExp(`cannot reach ${nowhere} \\(ECONNREFUSED\\), and the model is not in .*give a folder`);
    await expect(fetchOne("org/one", { url: nowhere })).rejects.toEqual(refused("E_IO", message));
  });

  test("a hub that is busy counts as one", async () => {
    fault("/api/", { status: 503 });
    await expect(fetchOne()).rejects.toEqual(refused("E_IO", "status 503"));
  });

  test("a hub whose answer trickles counts as one", async () => {
    fault("/api/", { trickleMs: 20 });
    await expect(fetchOne("org/one", { stallMs: 1500 })).rejects.toEqual(refused("E_IO", "no answer for 1.5 s"));
  });

  test("a hub that never answers counts as one", async () => {
    const fetch = (_: unknown, { signal }: RequestInit = {}) =>
      new Promise<Response>((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
    await expect(fetchOne("org/one", { fetch, stallMs: 20 })).rejects.toEqual(refused("E_IO", "no answer for 0.02 s"));
  });

  test("nothing is asked when offline is asked for", async () => {
    await expect(fetchOne("org/one", { isOffline: true })).rejects.toEqual(refused("E_NOT_FOUND", "not in .*offline"));
    expect(hub.requests).toEqual([]);
    const folder = await fetchOne();
    hub.requests.length = 0;
    expect(await fetchOne("org/one", { isOffline: true })).toBe(folder);
    expect(hub.requests).toEqual([]);
  });

  test("what other tools of the hub downloaded is used", async () => {
    const folder = await fetchOne();
    await rm(join(folder, recordName));
    expect(await fetchOne("org/one", { isOffline: true })).toBe(folder);
  });
});

test("two processes do not write one file", async () => {
  const folder = await fetchOne();
  const blob = await realpath(join(folder, "model.safetensors"));
  await rm(blob);
  const unlock = await takeLock(`${blob}.lock`, () => "another download");
  await expect(fetchOne()).rejects.toEqual(refused("E_IO", `model.safetensors: process ${process.pid} is downloading`));
  await unlock();
  expect(await readFile(join(await fetchOne(), "model.safetensors"))).toEqual(weights);
});

test("progress tells megabytes and the file", async () => {
  const updates: [number, unknown][] = [];
  let total = 0;
  const progress: HubOptions["progress"] = (megabytes) => {
    total = megabytes;
    return {
      update: (done, fields) => void updates.push([done, fields]),
      note: () => undefined,
      finish: () => undefined,
    };
  };
  const big = Buffer.alloc(3_500_000, 7);
  hub.models.set("org/one", { commit, files: { ...small, "model.safetensors": big }, lfs: ["model.safetensors"] });
  await fetchOne("org/one", { progress });
  expect(total).toBe(4);
  expect(updates.at(-1)).toEqual([4, { file: "model.safetensors" }]);
});
