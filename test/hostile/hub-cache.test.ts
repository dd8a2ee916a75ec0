/** @file Hostile caches of the hub, used offline and while a hub answers: references, snapshots, links, records, blobs and locks. */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hubResolver, hubSettings } from "../../src/cli/hub.ts";
import { saveModel } from "../../src/models/model-file.ts";
import { parameterShapes } from "../../src/models/parameters.ts";
import { nastyTexts, survives } from "../support/hostile-commands.ts";
import { type HubServer, startHub } from "../support/hub-server.ts";
import { randomLlama } from "../support/random-llama.ts";

const root = mkdtempSync(join(tmpdir(), "hostile-hub-"));
const commit = "0123456789abcdef0123456789abcdef01234567";
const cache = join(root, "cache");
/** As one download left it. */
const filled = join(root, "filled");
const model = join(cache, "models--org--one");
const snapshot = join(model, "snapshots", commit);
const at = (name: string) => join(snapshot, name);
const ref = join(model, "refs", "main");
const record = at(".lora-gen.json");
const victim = join(root, "victim.txt");
let hub: HubServer;
let files: Record<string, Buffer>;

beforeAll(async () => {
  hub = await startHub();
  const { config, weights } = randomLlama();
  const names = [...parameterShapes(config).keys()];
  await saveModel(
    join(root, "sound"),
    config,
    new Map(names.map((name) => [name, (weights[name] as { data: Float32Array }).data])),
  );
  files = Object.fromEntries(
    ["config.json", "model.safetensors"].map((name) => [name, readFileSync(join(root, "sound", name))]),
  );
  hub.models.set("org/one", { commit, files, lfs: ["model.safetensors"] });
  expect(await use("org/one", {})).toBe("ok");
  rmSync(join(root, "out"), { recursive: true });
  renameSync(cache, filled);
});
afterAll(async () => {
  await hub.close();
  rmSync(root, { recursive: true });
});

const use = (id: string, env: Record<string, string>) => {
  rmSync(join(root, "out"), { recursive: true, force: true });
  const settings = hubSettings({ HF_ENDPOINT: hub.url, HF_HUB_CACHE: cache, ...env }, root);
  return survives(["quantize", "--model", id, "--out", join(root, "out")], (context) => ({
    resolveModel: hubResolver(settings, context),
  }));
};

/** What becomes of a cache that was changed, without a hub and with one. Nothing outside it is touched. */
async function outcomes(change: () => void): Promise<{ offline: string; online: string }> {
  const found: string[] = [];
  for (const env of [{ HF_HUB_OFFLINE: "1" }, {}] as Record<string, string>[]) {
    rmSync(cache, { recursive: true, force: true });
    cpSync(filled, cache, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    writeFileSync(victim, "mine");
    change();
    found.push(await use("org/one", env));
    expect(readFileSync(victim, "utf8")).toBe("mine");
    expect(readdirSync(root).sort()).toEqual(
      ["cache", "filled", "out", "sound", "victim.txt"].filter(
        (name) => name !== "out" || existsSync(join(root, "out")),
      ),
    );
    if (existsSync(join(root, "out"))) expect(found.at(-1)).toBe("ok");
  }
  return { offline: found[0]!, online: found[1]! };
}

const put: Readonly<Record<string, (path: string) => void>> = {
  "a pipe": (path) => execFileSync("mkfifo", [path]),
  "a folder": (path) => mkdirSync(path),
  "a link to itself": (path) => symlinkSync(path, path),
  "a link to nowhere": (path) => symlinkSync("nowhere", path),
  "a link to somebody's file": (path) => symlinkSync(victim, path),
  "a device without end": (path) => symlinkSync("/dev/zero", path),
  "8 TB without content": (path) => {
    writeFileSync(path, "");
    truncateSync(path, 2 ** 43);
  },
};
const replace = (path: string, kind: string) => () => {
  rmSync(path, { recursive: true, force: true });
  put[kind]!(path);
};
const anyCode = /^(ok|E_(FORMAT|NOT_FOUND|IO|LIMIT|ARCHITECTURE|CONFIG))$/;

describe("a reference", () => {
  test.each([...nastyTexts, "main", commit.toUpperCase(), `${commit}0`, `../../${commit}`, `${commit}\n${commit}`])(
    "that says no. %# leads nowhere; the hub is asked again",
    async (text) => {
      expect(await outcomes(() => writeFileSync(ref, text))).toEqual({ offline: "E_NOT_FOUND", online: "ok" });
    },
  );
  test.each(Object.keys(put))("that is %s", async (kind) => {
    const { offline, online } = await outcomes(replace(ref, kind));
    expect(offline).toBe("E_NOT_FOUND");
    expect(online).toMatch(anyCode);
  });
});

describe("a file of the snapshot", () => {
  for (const name of ["config.json", "model.safetensors"])
    test.each(Object.keys(put))(`${name}: %s is not used`, async (kind) => {
      const { offline, online } = await outcomes(replace(at(name), kind));
      expect(offline).toMatch(/^E_(FORMAT|NOT_FOUND|IO)$/);
      expect(online).toMatch(kind === "a folder" ? anyCode : /^ok$/);
    });
  test.each(Object.keys(put))("whose blob is %s is not used", async (kind) => {
    const { offline, online } = await outcomes(() => replace(realpathSync(at("model.safetensors")), kind)());
    expect(offline).toMatch(/^E_(FORMAT|NOT_FOUND|IO)$/);
    expect(online).toMatch(anyCode);
  });
  test.each([0, 1, 8, 100])("cut to %s bytes is fetched again, or refused", async (bytes) => {
    const { offline, online } = await outcomes(() => truncateSync(realpathSync(at("model.safetensors")), bytes));
    expect([offline, online]).toEqual(["E_FORMAT", "ok"]);
  });
  test("with one bit changed is fetched again, or refused", async () => {
    const flip = () => {
      const path = realpathSync(at("model.safetensors"));
      const bytes = readFileSync(path);
      bytes[bytes.length - 1]! ^= 1;
      writeFileSync(path, bytes);
    };
    expect(await outcomes(flip)).toEqual({ offline: "E_FORMAT", online: "ok" });
  });
  test("that is another sound file of the cache is refused, or put right", async () => {
    const swap = () => {
      const blob = realpathSync(at("config.json"));
      rmSync(at("model.safetensors"));
      symlinkSync(blob, at("model.safetensors"));
    };
    expect(await outcomes(swap)).toEqual({ offline: "E_FORMAT", online: "ok" });
  });
  test.each(nastyTexts.filter((name) => !/[/\0]/.test(name) && name !== "" && name.length < 200 && name !== "\ud800"))(
    "beside one of the name no. %#",
    async (name) => {
      expect(await outcomes(() => writeFileSync(at(name), "x"))).toEqual({ offline: "ok", online: "ok" });
    },
  );
});

describe("a record", () => {
  test.each(["", "{", "[]", "null", "{}", "[".repeat(100_000), '{"__proto__":{"files":{}}}'])(
    "of the text no. %#",
    async (text) => {
      expect(await outcomes(() => writeFileSync(record, text))).toEqual({ offline: "ok", online: "ok" });
    },
  );
  const edit = (change: (json: { files: Record<string, unknown>; checked: Record<string, unknown> }) => void) => () => {
    const json = JSON.parse(readFileSync(record, "utf8")) as {
      files: Record<string, unknown>;
      checked: Record<string, unknown>;
    };
    change(json);
    writeFileSync(record, JSON.stringify(json));
  };
  test.each<unknown>([
    { bytes: -1, hash: "sha256:x" },
    { bytes: 2 ** 52, hash: `sha256:${"0".repeat(64)}` },
    { bytes: 0, hash: "" },
    { bytes: 1e308, hash: 7 },
    null,
    "x",
  ])("that says of the weights %j", async (value) => {
    const { offline, online } = await outcomes(
      edit(({ files: all }) => void Object.assign(all, { "model.safetensors": value })),
    );
    expect(offline).toMatch(/^(ok|E_FORMAT)$/);
    expect(online).toBe("ok");
  });
  test.each<unknown>([0, -1, 1e308, null, "now", {}])("that says they were checked at %j", async (value) => {
    expect(await outcomes(edit(({ checked }) => void Object.assign(checked, { "model.safetensors": value })))).toEqual({
      offline: "ok",
      online: "ok",
    });
  });
  test.each(nastyTexts)("that has a file no. %#", async (name) => {
    expect(
      await outcomes(
        edit(({ files: all, checked }) => {
          all[name] = { bytes: 1, hash: `sha256:${"0".repeat(64)}` };
          checked[name] = 1;
        }),
      ),
    ).toEqual({ offline: "ok", online: "ok" });
  });
  test.each(Object.keys(put))("that is %s", async (kind) => {
    const { offline, online } = await outcomes(replace(record, kind));
    expect(offline).toMatch(anyCode);
    expect(online).toMatch(anyCode);
  });
});

describe("beside a blob that is to come:", () => {
  const without = (beside: (blob: string) => void) => () => {
    const blob = realpathSync(at("model.safetensors"));
    rmSync(blob);
    beside(blob);
  };
  test.each(Object.keys(put))("a lock that is %s", async (kind) => {
    expect((await outcomes(without((blob) => put[kind]!(`${blob}.lock`)))).online).toMatch(anyCode);
  });
  test.each(Object.keys(put))("a beginning that is %s", async (kind) => {
    expect((await outcomes(without((blob) => put[kind]!(`${blob}.incomplete`)))).online).toMatch(anyCode);
  });
  test.each(["", "1 x", "0 0", "\u001b[2J", "99999999999 x"])("a lock of the text %j is nobody's", async (text) => {
    expect((await outcomes(without((blob) => writeFileSync(`${blob}.lock`, text)))).online).toBe("ok");
  });
  test.each([1, 100, 10_000_000])("a beginning of %s other bytes is not gone on with twice", async (bytes) => {
    expect(
      (await outcomes(without((blob) => writeFileSync(`${blob}.incomplete`, Buffer.alloc(bytes, 7))))).online,
    ).toMatch(/^(ok|E_FORMAT)$/);
    expect(await use("org/one", {})).toBe("ok");
  });
});

describe("in the place of a folder:", () => {
  for (const [what, path] of [
    ["the cache", cache],
    ["the model", model],
    ["the snapshot", snapshot],
    ["the blobs", join(model, "blobs")],
    ["the references", join(model, "refs")],
  ] as const)
    test.each(["a pipe", "a link to itself", "a link to nowhere", "a link to somebody's file"])(
      `${what} is %s`,
      async (kind) => {
        const { offline, online } = await outcomes(replace(path, kind));
        expect(offline).toMatch(/^E_/);
        expect(online).toMatch(/^(ok|E_IO)$/);
      },
    );
});
