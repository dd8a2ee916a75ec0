import { expect, test } from "vitest";
import type { Certificate } from "./certificate.ts";
import { certificationLimits, createCertifications } from "./certifications.ts";

/** Work that ends when it is told to. */
function queue() {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const all = createCertifications(() => undefined);
  const begin = (tenant: string, object: string, characters = 100) =>
    all.begin(tenant, object, { total: 10, characters, asked: `${object} as asked` }, (_, signal) => {
      begun.push(`${tenant}/${object}`);
      return new Promise<Certificate>((done) => {
        ends.set(object, () => done({} as Certificate));
        signal.addEventListener("abort", () => done({} as Certificate));
      });
    });
  const end = async (object: string) => {
    ends.get(object)!();
    await new Promise((done) => setImmediate(done));
  };
  return { all, begin, begun, end };
}
const running = { status: "running", done: 0, total: 10 };

test("a tenant's contents are measured one after the other, and each says how many are before it", async () => {
  const { all, begin, begun, end } = queue();
  expect(["a", "b", "c"].map((object) => begin("t", object))).toEqual([
    running,
    { ...running, before: 1 },
    { ...running, before: 2 },
  ]);
  begin("other", "a");
  expect(begun).toEqual(["t/a", "other/a"]);
  await all.cancel("t", "b");
  expect([all.state("t", "b"), all.state("t", "c")]).toEqual([undefined, { ...running, before: 1 }]);
  await all.cancel("t", "a");
  expect([begun.at(-1), all.state("t", "c")]).toEqual(["t/c", running]);
  await end("c");
  expect(all.state("t", "c")).toBeUndefined();
  await all.close();
});

test("what waits begins in its order, as soon as there is room", async () => {
  const { all, begin, begun, end } = queue();
  const tenants = Array.from({ length: certificationLimits.running + 2 }, (_, i) => `t${i}`);
  for (const tenant of tenants) begin(tenant, tenant);
  expect(begun).toHaveLength(certificationLimits.running);
  await end("t1");
  expect(begun.at(-1)).toBe(`t${certificationLimits.running}/t${certificationLimits.running}`);
  await all.close();
  expect(begun).toHaveLength(certificationLimits.running + 1); // none begins in a service that ends
});

test("the same content twice, too many that wait, and a service that ends are refused", async () => {
  const { all, begin } = queue();
  const busy = expect.objectContaining({ code: "E_BUSY" });
  for (let i = 0; i <= certificationLimits.waitingOfTenant; i++) begin("t", `o${i}`);
  expect(() => begin("t", "o0")).toThrow(busy);
  expect(() => begin("t", "o1")).toThrow(busy);
  expect(() => begin("t", "more")).toThrow(busy);
  begin("other", "more");
  await all.close();
  expect(() => begin("other", "again")).toThrow(busy);
});

test("where there is room none is refused, however many of others wait, and however long its texts are", async () => {
  const { all, begin } = queue();
  for (let i = 0; i <= certificationLimits.waitingOfTenant; i++) begin("t", `o${i}`);
  expect(begin("other", "long", certificationLimits.characters + 1)).toEqual(running);
  await all.close();
});

test("texts of what waits are bounded, of a tenant and of all", async () => {
  const { all, begin } = queue();
  const busy = expect.objectContaining({ code: "E_BUSY" });
  const { characters, charactersOfTenant } = certificationLimits;
  const tenants = Array.from({ length: characters / charactersOfTenant }, (_, i) => `t${i}`);
  for (const tenant of tenants) {
    begin(tenant, "running");
    begin(tenant, "waits", charactersOfTenant);
    expect(() => begin(tenant, "more", 1)).toThrow(busy);
  }
  expect(() => begin("other", "a", 1)).toThrow(busy);
  await all.close();
});

test("what was asked for is known while it is measured or waits", async () => {
  const { all, begin, end } = queue();
  begin("t", "a");
  begin("t", "b");
  expect([all.asked("t", "a"), all.asked("t", "b"), all.asked("t", "c")]).toEqual([
    "a as asked",
    "b as asked",
    undefined,
  ]);
  await end("a");
  expect([all.asked("t", "a"), all.asked("t", "b")]).toEqual([undefined, "b as asked"]);
  await all.close();
});
