import { expect, test } from "vitest";
import type { Pair } from "../pair/pair-file.ts";
import type { Specialization } from "../pair/specialization.ts";
import type { Specializer } from "../pair/specialize.ts";
import { cloudPass } from "./service.ts";

const pair = {} as Pair;
const options = { secret: undefined, constraint: undefined, truncate: undefined, tenant: "main", signal: undefined };

/** A cloud model whose passes end when they are told to. */
function slowCloud() {
  const ends: (() => void)[] = [];
  const specializer: Specializer = {
    specialize: (prompt) => new Promise((done) => ends.push(() => done({ prompt } as unknown as Specialization))),
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  return { ends, specializer };
}

test("a cloud model that could not be opened is opened again by the next prompt", async () => {
  const { ends, specializer } = slowCloud();
  let tries = 0;
  const cloud = cloudPass(pair, 1, async () => {
    if (++tries === 1) throw new Error("no memory");
    return specializer;
  });
  await expect(cloud.specialize("a", options)).rejects.toThrow("no memory");
  const second = cloud.specialize("b", options);
  while (ends.length === 0) await Promise.resolve();
  ends[0]!();
  expect(await second).toEqual({ prompt: "b" });
  await cloud.close();
  expect(tries).toBe(2);
});

test("one tenant does not take the places of the others, and has one again when a prompt's turn has come", async () => {
  const { ends, specializer } = slowCloud();
  const cloud = cloudPass(pair, 1, async () => specializer);
  const first = cloud.specialize("first", options);
  while (ends.length === 0) await Promise.resolve();
  const waiting = Promise.allSettled(Array.from({ length: 16 }, (_, i) => cloud.specialize(`${i}`, options)));
  await expect(cloud.specialize("one more", options)).rejects.toMatchObject({ code: "E_BUSY" });
  const theirs = cloud.specialize("theirs", { ...options, tenant: "other" });
  ends[0]!();
  await first;
  while (ends.length === 1) await Promise.resolve();
  const taken = Promise.allSettled([theirs, cloud.specialize("again", options)]);
  const closed = cloud.close();
  ends[1]!();
  await Promise.all([waiting, closed]);
  const reason = { message: expect.stringContaining("the service is ending") };
  expect(await taken).toMatchObject([{ reason }, { reason }]);
});

test("a prompt whose client has left is not read", async () => {
  const { ends, specializer } = slowCloud();
  const cloud = cloudPass(pair, 1, async () => specializer);
  const first = cloud.specialize("first", options);
  const leave = new AbortController();
  const left = Promise.allSettled([cloud.specialize("left", { ...options, signal: leave.signal })]);
  while (ends.length === 0) await Promise.resolve();
  leave.abort();
  ends[0]!();
  await first;
  expect(await left).toMatchObject([{ reason: { code: "E_INTERRUPTED" } }]);
  await cloud.close();
  expect(ends).toHaveLength(1);
});

test("nobody waits for a prompt that was called off: waiting, it gives its place back at once; being read, it is forgotten", async () => {
  const { ends, specializer } = slowCloud();
  const cloud = cloudPass(pair, 1, async () => specializer);
  const leave = new AbortController();
  const ask = (prompt: string) => cloud.specialize(prompt, { ...options, signal: AbortSignal.any([leave.signal]) });
  const read = ask("read");
  while (ends.length === 0) await Promise.resolve();
  const asked = [read, ...Array.from({ length: 16 }, (_, i) => ask(`${i}`))];
  leave.abort();
  for (const end of await Promise.allSettled(asked)) expect(end).toMatchObject({ reason: { code: "E_INTERRUPTED" } });
  const next = cloud.specialize("next", options);
  ends[0]!();
  while (ends.length === 1) await Promise.resolve();
  ends[1]!();
  expect(await next).toEqual({ prompt: "next" });
  await cloud.close();
});

test("prompts beyond the queue are refused; at the end the one under way is answered and the rest refused", async () => {
  const { ends, specializer } = slowCloud();
  const cloud = cloudPass(pair, 1, async () => specializer);
  const first = cloud.specialize("first", options);
  while (ends.length === 0) await Promise.resolve();
  const tenants = ["main", "a", "b", "c"].map((tenant) => ({ ...options, tenant }));
  const waiting = tenants.flatMap((of) => Array.from({ length: 16 }, (_, i) => cloud.specialize(`${i}`, of)));
  const settled = Promise.allSettled(waiting);
  await expect(cloud.specialize("one more", { ...options, tenant: "d" })).rejects.toMatchObject({ code: "E_BUSY" });
  const closed = cloud.close();
  ends[0]!();
  expect(await first).toEqual({ prompt: "first" });
  for (const end of await settled) expect(end).toMatchObject({ status: "rejected", reason: { code: "E_BUSY" } });
  await closed;
  await expect(cloud.specialize("late", options)).rejects.toMatchObject({ code: "E_BUSY" });
  expect(ends).toHaveLength(1);
});
