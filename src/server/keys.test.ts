/** @file Who may ask, and how much. */
import { expect, test } from "vitest";
import { sha256 } from "../base/hash.ts";
import { createKeys, KeyFile, newKey } from "./keys.ts";

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
  const keys = createKeys(file(perMinute), () => clock.ms, sleep);
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
