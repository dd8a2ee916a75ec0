/** @file Files below a URL: a real server, its refusals, and no server at all. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fetchFiles } from "./fetch-files.ts";

const content = new Uint8Array(300_000).map((_, i) => i * 7);
let server: Server;
let base: string;
beforeAll(async () => {
  server = createServer((request, response) => {
    response.setHeader("connection", "close");
    if (request.url === "/files/large.bin") response.setHeader("content-length", content.length).end(content);
    else if (request.url === "/files/packed.bin") response.setHeader("content-encoding", "gzip").end(gzipSync(content));
    else if (request.url === "/files/empty") response.end();
    else if (request.url === "/files/cut")
      response.writeHead(200, { "content-length": 10 }).write("abc", () => response.destroy());
    else response.writeHead(request.url === "/files/broken" ? 500 : 404).end("no");
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/files`;
});
afterAll(() => new Promise((closed) => server.close(closed)));

test("files come whole, compressed or not, with a slash behind the base or not", async () => {
  for (const path of ["large.bin", "packed.bin"])
    for (const url of [base, `${base}/`]) expect(Buffer.compare(await fetchFiles(url)(path), content)).toBe(0);
  expect(await fetchFiles(base)("empty")).toEqual(new Uint8Array(0));
});

test("progress ends with the length, which is known beforehand where the server says it", async () => {
  for (const [path, total] of [
    ["large.bin", content.length],
    ["packed.bin", undefined],
  ] as const) {
    const seen: unknown[] = [];
    await fetchFiles(base, { onProgress: (...progress) => seen.push(progress) })(path);
    expect(seen.at(-1)).toEqual([path, content.length, total]);
  }
});

test("what is missing, refused, cut off or out of reach is named by its URL", async () => {
  const read = fetchFiles(base);
  await expect(read("none")).rejects.toMatchObject({ code: "E_NOT_FOUND", message: `${base}/none: not found` });
  await expect(read("broken")).rejects.toMatchObject({
    code: "E_IO",
    message: expect.stringContaining("answered 500"),
  });
  await expect(read("cut")).rejects.toMatchObject({ code: "E_IO", message: expect.stringContaining(`${base}/cut`) });
  await expect(fetchFiles("http://127.0.0.1:1")("x")).rejects.toMatchObject({ code: "E_IO" });
});

test("a password in the address is not repeated", async () => {
  for (const [url, code] of [
    [base.replace("://", "://me:secret@"), "E_IO"], // Node sends none of them
    ["http://me:secret@127.0.0.1:9", "E_IO"],
  ] as const) {
    const error = await fetchFiles(url)("absent").catch((error: Error) => error);
    expect(error).toMatchObject({ code });
    expect((error as Error).message).not.toContain("secret");
  }
});
