/** @file Who may ask, and how much. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sha256 } from "../base/hash.ts";
import { createKeys, KeyFile, newKey } from "./keys.ts";
import { openKeys } from "./keys-file.ts";

const key = newKey();
const file = (requestsPerMinute: number): KeyFile => ({
  format: "lora-gen keys 1",
  keys: [{ name: "k", sha256: sha256(key), tenant: "t", scopes: ["ask"], requestsPerMinute }],
});

test("a key of a tenant that no name could be of is no key", () => {
  const { keys } = file(1);
  for (const [tenant, isKey] of [
    ["shop-1", true],
    ["Shop", false],
    ["", false],
    ["../shop", false],
  ] as const) {
    const given = { format: "lora-gen keys 1", keys: [{ ...keys[0]!, tenant }] };
    expect(KeyFile.safeParse(given).success).toBe(isKey);
  }
});

/** Keys whose clock moves while they wait. */
function timed(perMinute: number) {
  const clock = { ms: 0, waited: 0 };
  const sleep = async (ms: number) => {
    clock.ms += ms;
    clock.waited++;
  };
  const keys = createKeys(file(perMinute), () => clock.ms, { sleep });
  return { clock, admit: () => keys.admit(`Bearer ${key}`, "ask") };
}

test("work in the background waits for what the limit has over, and leaves the next request its place", async () => {
  const { clock, admit } = timed(60);
  const { turn } = admit(); // 59 are left
  for (let i = 0; i < 58; i++) await turn();
  expect(clock.waited).toBe(0);
  await turn();
  expect(clock.ms).toBe(1000); // one a second
  expect(admit).not.toThrow();
  expect(admit).toThrow(expect.objectContaining({ code: "E_BUSY" }));
});

test("a limit of one a minute lets the background go on too; what is called off waits no longer", async () => {
  const { clock, admit } = timed(1);
  const { turn } = admit();
  await turn();
  const waited = clock.ms;
  expect(waited).toBeGreaterThanOrEqual(60_000);
  expect(waited).toBeLessThan(61_000); // it looks four times a second
  const stop = new AbortController();
  stop.abort();
  await turn(stop.signal);
  expect(clock.ms).toBe(waited);
});

const fileOf = (...names: string[]): KeyFile => ({
  format: "lora-gen keys 1",
  keys: names.map((name) => ({
    ...{ name, sha256: sha256(`lg-${name}`), tenant: "t", scopes: ["ask" as const], requestsPerMinute: 2 },
  })),
});

test("a file that changes is read again: new keys are known, others no more, and a limit is not given anew; a broken one is told once", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "keys-")), "keys.json");
  const write = (text: string) => writeFileSync(path, text);
  write(JSON.stringify(fileOf("old", "kept")));
  const { keys, changed } = await openKeys(path);
  let ms = 0;
  const broken: unknown[] = [];
  const known = createKeys(keys, () => ms, { changed, onBroken: (error) => broken.push(error) });
  /** A second later. */
  async function may(name: string): Promise<string> {
    ms += 1000;
    await known.refresh();
    try {
      known.admit(`Bearer lg-${name}`, "ask");
      return "may";
    } catch (error) {
      return (error as { code: string }).code;
    }
  }
  expect([await may("old"), await may("kept"), await may("kept"), await may("new")]).toEqual([
    ...["may", "may", "may", "E_DENIED"],
  ]);
  write(JSON.stringify(fileOf("kept", "new")));
  expect([await may("old"), await may("new"), await may("kept")]).toEqual(["E_DENIED", "may", "E_BUSY"]);
  expect(broken).toEqual([]);
  write("{");
  expect([await may("new"), await may("old")]).toEqual(["may", "E_DENIED"]);
  expect(broken).toMatchObject([{ code: "E_FORMAT" }]);
  rmSync(path);
  expect([await may("old"), await may("old")]).toEqual(["E_DENIED", "E_DENIED"]);
  expect(broken).toMatchObject([{ code: "E_FORMAT" }, { code: "E_NOT_FOUND" }]);
  write(JSON.stringify(fileOf("old")));
  renameSync(path, `${path}-2`);
  renameSync(`${path}-2`, path);
  expect([await may("old"), await may("new")]).toEqual(["may", "E_DENIED"]);
  expect(broken).toHaveLength(2);
});

test("whether they changed is asked once a second at most, and once by all who come meanwhile, who wait for it", async () => {
  let ms = 0;
  let asked = 0;
  let answer: (file: KeyFile | undefined) => void = () => undefined;
  const changed = () => {
    asked++;
    return new Promise<KeyFile | undefined>((done) => {
      answer = done;
    });
  };
  const known = createKeys(fileOf("old"), () => ms, { changed });
  ms = 999;
  await known.refresh();
  expect(asked).toBe(0);
  ms = 1000;
  const waiting = [known.refresh(), known.refresh()];
  expect(asked).toBe(1);
  answer(fileOf("new"));
  await Promise.all(waiting);
  expect(() => known.admit("Bearer lg-old", "ask")).toThrow(expect.objectContaining({ code: "E_DENIED" }));
  await known.refresh();
  expect(asked).toBe(1);
});
