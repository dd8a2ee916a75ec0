/** @file A service whose store, a folder, is taken away for a while: moved, or with nothing but an empty folder in its place, as where a disk is not mounted. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTinyPair } from "../../test/support/tiny-pair.ts";
import { openTinyService, type TinyService } from "../../test/support/tiny-service.ts";
import { openStore } from "./store/store.ts";

const folder = join(mkdtempSync(join(tmpdir(), "gone-")), "store");
let service: TinyService;
beforeAll(async () => {
  service = await openTinyService(await openTinyPair(), {}, await openStore(folder));
  await make("Answer billing.");
});
afterAll(() => service.close());

const make = (prompt: string) =>
  service.ask("/v1/specializations", { name: "triage", prompt, options: { constraint: false } });
const question = { model: "triage", messages: [{ role: "user", content: "where is my parcel?" }], max_tokens: 24 };
const ask = (body: object = question) => service.ask("/v1/chat/completions", body);
const answer = async () => {
  const told = (await (await ask()).json()) as { model: string; choices: { message: { content: string } }[] };
  return [told.model, told.choices?.[0]?.message.content];
};
const ready = async (query = "") => {
  const response = await service.ask(`/readyz${query}`);
  return [response.status, ((await response.json()) as { store: string }).store];
};

test.each([
  { what: "moved away", inItsPlace: false },
  { what: "with an empty folder in its place", inItsPlace: true },
])(
  "$what: what asks for it is refused with the reason, nothing is written in its place, the base model answers, and all is well when it is back",
  async ({ inItsPlace }) => {
    const before = await answer();
    const streamed = await ask({ ...question, stream: true });
    renameSync(folder, `${folder}-aside`);
    if (inItsPlace) mkdirSync(folder);
    const refused = [
      await ask(),
      await make("Be brief."),
      await service.ask("/v1/models"),
      await service.ask("/v1/specializations/triage"),
      await service.ask("/v1/specializations/triage/certificate"),
      await service.ask("/v1/specializations/triage/rollback", {}),
      await service.ask("/v1/specializations/triage", undefined, { method: "DELETE" }),
      await service.ask("/v1/aliases", { name: "live", target: "triage" }),
    ];
    for (const response of refused)
      expect([response.status, await response.json()]).toEqual([
        503,
        { error: expect.objectContaining({ code: "E_IO", message: "the store's folder is gone" }) },
      ]);
    expect(await ready()).toEqual([200, "out of reach"]);
    expect(await ready("?store=required")).toEqual([503, "out of reach"]);
    expect((await ask({ ...question, model: "tiny-0" })).status).toBe(200);
    expect(await streamed.text()).toMatch(/data: \[DONE\]\n\n$/); // what was under way is given whole
    expect(existsSync(folder) ? readdirSync(folder) : undefined).toEqual(inItsPlace ? [] : undefined);
    rmSync(folder, { recursive: true, force: true });
    renameSync(`${folder}-aside`, folder);
    expect(await answer()).toEqual(before);
    expect(await ready("?store=required")).toEqual([200, "reached"]);
    expect((await make(`Be brief: ${inItsPlace}.`)).status).toBe(201);
  },
);
