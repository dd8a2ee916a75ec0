/** @file JSON lines: streamed, unpacked, bounded, and appended to after a crash. */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { appendJsonl, mendJsonl, type ReadJsonlOptions, readJsonl } from "./jsonl.ts";

/** A path whose file holds `content`. */
function file(name: string, content?: string | Uint8Array): string {
  const path = join(mkdtempSync(join(tmpdir(), "jsonl-")), name);
  if (content !== undefined) writeFileSync(path, content);
  return path;
}

async function readAll(path: string, options?: ReadJsonlOptions): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const value of readJsonl(path, options)) values.push(value);
  return values;
}

const records = Array.from({ length: 20_000 }, (_, i) => ({ i, text: `söme text ${"x".repeat(i % 50)}` }));
const text = `${records.map((record) => JSON.stringify(record)).join("\n")}\n`;

test("records spread over many chunks read in order, plain and gzipped", async () => {
  expect(await readAll(file("a.jsonl", text))).toEqual(records);
  expect(await readAll(file("a.jsonl.gz", gzipSync(text)))).toEqual(records);
  const joined = Buffer.concat([gzipSync("1\n"), gzipSync("2\n")]);
  expect(await readAll(file("members.jsonl.gz", joined))).toEqual([1, 2]);
});

test("blank lines, CRLF and a missing last line end are fine; an empty file has no records", async () => {
  expect(await readAll(file("a.jsonl", '1\r\n\n  \n"b"'))).toEqual([1, "b"]);
  expect(await readAll(file("a.jsonl", ""))).toEqual([]);
});

test("reading may stop early", async () => {
  for await (const value of readJsonl(file("a.jsonl.gz", gzipSync(text)))) {
    expect(value).toEqual(records[0]);
    break;
  }
});

test("errors name the line", async () => {
  const path = file("a.jsonl", "1\n\n{oops\n");
  await expect(readAll(path)).rejects.toMatchObject({
    code: "E_FORMAT",
    message: expect.stringContaining(`${path}:3`),
  });
  await expect(readAll(file("a.jsonl", new Uint8Array([0x22, 0xe4, 0x22])))).rejects.toMatchObject({
    code: "E_FORMAT",
  });
});

test("long lines, gzip bombs, cut and false gzip files and missing files are refused", async () => {
  const refused = (path: string, code: string, options?: ReadJsonlOptions) =>
    expect(readAll(path, options)).rejects.toMatchObject({ code });
  await refused(file("a.jsonl", `"${"x".repeat(2_000_000)}"`), "E_LIMIT", { maxLineBytes: 1_000_000 });
  const bomb = gzipSync(Buffer.alloc(50_000_000, "\n"));
  expect(bomb.length).toBeLessThan(100_000);
  await refused(file("a.jsonl.gz", bomb), "E_LIMIT", { maxExpandedBytes: 1_000_000 });
  await refused(file("a.jsonl.gz", gzipSync(text).subarray(0, 5000)), "E_FORMAT");
  await refused(file("a.jsonl.gz", "plain"), "E_FORMAT");
  await refused(file("a.jsonl"), "E_NOT_FOUND");
  await refused(file("a.jsonl.gz"), "E_NOT_FOUND");
});

test("line ends without end and what no text is packed to are refused soon", async () => {
  const packed = gzipSync(Buffer.alloc(1 << 24, "\n"));
  const members = Buffer.concat(Array<Buffer>(64).fill(packed)); // 1 GB of line ends in 1 MB
  expect(members.length).toBeLessThan(1.2e6);
  const refused = (path: string) => expect(readAll(path)).rejects.toMatchObject({ code: "E_LIMIT" });
  await refused(file("a.jsonl.gz", members));
  await refused(file("a.jsonl", Buffer.alloc(5 << 20, " \n")));
  const long = gzipSync(`"${"x".repeat(1 << 23)}"\n`);
  await refused(file("b.jsonl.gz", Buffer.concat(Array<Buffer>(16).fill(long))));
});

test("appended records read back", async () => {
  const path = file("log.jsonl");
  await appendJsonl(path, { step: 1 });
  await appendJsonl(path, { step: 2 });
  expect(await readAll(path)).toEqual([{ step: 1 }, { step: 2 }]);
});

test("a line cut off by a killed writer goes, a complete one without line end stays", async () => {
  const torn = file("log.jsonl", `{"step":1}\n{"step":2,"note":"${"x".repeat(200_000)}`);
  await appendJsonl(torn, { step: 2 });
  expect(readFileSync(torn, "utf8")).toBe('{"step":1}\n{"step":2}\n');
  const complete = file("log.jsonl", '{"step":1}');
  await appendJsonl(complete, { step: 2 });
  expect(await readAll(complete)).toEqual([{ step: 1 }, { step: 2 }]);
  const onlyTorn = file("log.jsonl", '{"st');
  await appendJsonl(onlyTorn, { step: 1 });
  expect(await readAll(onlyTorn)).toEqual([{ step: 1 }]);
});

test("appending to a missing folder is E_IO", async () => {
  const path = join(file("x"), "log.jsonl");
  await expect(appendJsonl(path, 1)).rejects.toMatchObject({ code: "E_IO" });
  expect(existsSync(path)).toBe(false);
});

test("a file of other text is not cut: what cannot be the beginning of a record stays", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "jsonl-")), "notes.txt");
  writeFileSync(path, "first thought\nsecond thought");
  for (const touch of [() => appendJsonl(path, { step: 1 }), () => mendJsonl(path)])
    await expect(touch()).rejects.toMatchObject({
      code: "E_FORMAT",
      message: `${path}: expected JSON objects, one a line, found other text at the end`,
    });
  expect(readFileSync(path, "utf8")).toBe("first thought\nsecond thought");
});
