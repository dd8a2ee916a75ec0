import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeBenchmarkData } from "../../test/support/benchmark-data.ts";
import { writeTinyPair } from "../../test/support/tiny-pair.ts";
import { indexPage, listLine, reproduce, resultsFolder } from "./reproduce.ts";
import type { Context } from "./row.ts";
import { IDS, parseId, resolved, rows } from "./table.ts";
import { testContext } from "./test-context.ts";

const root = resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "reproduce-"));
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  writeBenchmarkData(at("data"));
  await writeTinyPair(at("pair"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const context = (changes: Partial<Context> = {}): Context => testContext(folder, changes);

const manifest = resolve(root, "../shared/spec/manifest.md");
const missing = !existsSync(manifest);
test.skipIf(missing)(`--list is the manifest${missing ? ` (skipped: ${manifest} is absent)` : ""}`, () => {
  const ids = [...readFileSync(manifest, "utf8").matchAll(/^\| `([^`]+)`/gm)].map(([, id]) => id!);
  expect(IDS).toEqual(ids);
  expect(IDS.map(listLine).map((line) => line.split(" ")[0])).toEqual(ids);
});

test("another name leads to a row, and a row that is tests names files that are there, with tests of that title", () => {
  for (const id of IDS) {
    const { row } = resolved(id);
    if (row.kind !== "test") continue;
    for (const file of row.files) {
      const text = readFileSync(join(root, file), "utf8");
      const title = row.titled;
      // A table of cases has the title as a cell of its own.
      if (title !== undefined)
        expect(
          text.includes(`"${title}`) || text.includes(`"${title.slice(0, -1)}"`) || text.includes(`${title} %s`),
          `${id}: ${file}`,
        ).toBe(true);
    }
  }
});

/** Makes a page in a process of its own, which kills itself at the Nth time that it says how far it is. Returns the signal it died of. */
async function makeAndDie(id: string, { tell: _, ...of }: Context, into: string, told: number): Promise<string | null> {
  const args = ["--import", "tsx", join(root, "test/support/reproduce-page.ts"), JSON.stringify(of), id, into];
  const child = spawn(process.execPath, [...args, String(told)], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  const [, signal] = (await once(child, "exit")) as [number | null, string | null];
  return signal;
}

test("a page that was stopped, then killed, is not written; asked again it goes on from its log, to the same page", async () => {
  const stop = new AbortController();
  let told = 0;
  const stopped = context({
    work: at("stopped"),
    signal: stop.signal,
    tell: () => {
      if (++told === 25) stop.abort();
    },
  });
  await expect(reproduce("fewshot-sd", stopped, at("pages"))).rejects.toMatchObject({ code: "E_INTERRUPTED" });
  const linesOf = (work: string) =>
    readFileSync(join(at(work), "fewshot-sd.jsonl"), "utf8")
      .trimEnd()
      .split("\n").length;
  const before = linesOf("stopped");
  expect(before).toBeGreaterThan(8);
  expect(await makeAndDie("fewshot-sd", context({ work: at("stopped") }), at("pages"), 25)).toBe("SIGKILL");
  expect(existsSync(at("pages"))).toBe(false);
  expect(linesOf("stopped")).toBeGreaterThan(before);
  expect(linesOf("stopped")).toBeLessThan(80);
  const once = await reproduce("fewshot-sd", context({ work: at("stopped") }), at("pages"));
  const whole = await reproduce("fewshot-sd", context({ work: at("whole") }), at("whole-pages"));
  const textOf = (outcome: typeof once) => readFileSync((outcome as { path: string }).path, "utf8");
  expect(textOf(once)).toBe(textOf(whole));
  expect(textOf(once)).toMatch(/^# fewshot-sd: .*\| specialized-5shot +\|/s);
  expect([linesOf("stopped"), linesOf("whole")]).toEqual([80, 80]); // two methods, five draws, 8 items: none asked twice
});

test("what is not trained is refused, what is out says why, and tests are named", async () => {
  await expect(reproduce("table7", context(), at("pages"))).rejects.toMatchObject({
    code: "E_NOT_FOUND",
    message: expect.stringMatching(/gumbel.*nothing is to be trained/) as unknown,
  });
  expect(await reproduce("t2-vqa", context(), at("pages"))).toMatchObject({
    kind: "out",
    because: expect.stringContaining("vision") as unknown,
  });
  expect(await reproduce("s0-table18", context(), at("pages"))).toEqual({
    kind: "test",
    files: ["runs/reproduce/manifest.test.ts"],
    titled: "table11:",
  });
  expect(() => parseId("table99")).toThrow("expected an id of --list");
});

test("a page without its data says where they may be had, and nothing is written", async () => {
  await expect(reproduce("table6", context({ data: at("nowhere") }), at("none"))).rejects.toMatchObject({
    code: "E_NOT_FOUND",
    message: expect.stringContaining("https://") as unknown,
  });
  expect(existsSync(at("none"))).toBe(false);
});

test("drawn pages are documents of their own, with their picture beside them", async () => {
  for (const id of ["fig2", "fig3"] as const) {
    await reproduce(id, context(), at("figures"));
    expect(readFileSync(join(at("figures"), `${id}.svg`), "utf8")).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
    expect(readFileSync(join(at("figures"), `${id}.md`), "utf8")).toContain(`](${id}.svg)`);
  }
});

test("the index of results is up to date, and every page in it is one of an id", () => {
  const results = join(root, resultsFolder);
  expect(readFileSync(join(results, "README.md"), "utf8")).toBe(indexPage(results));
  const pages = readdirSync(results).filter((name) => name.endsWith(".md") && name !== "README.md");
  for (const page of pages) expect(["page", "trains"]).toContain(rows[parseId(page.slice(0, -3))].kind);
});
