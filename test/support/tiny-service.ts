/** @file A service of a tiny pair over a store in a folder of its own, or one that is given, asked without a port; and clients of it. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import type { EdgePair } from "../../src/pair/pair.ts";
import type { Pair } from "../../src/pair/pair-file.ts";
import { createService, type Service, type ServiceOptions } from "../../src/server/service.ts";
import { openStore, type Store } from "../../src/server/store/store.ts";

export type TinyService = Service & {
  readonly store: Store;
  /** Asks with a body as JSON. */
  readonly ask: (path: string, body?: unknown, init?: RequestInit) => Promise<Response>;
  readonly openai: (key?: string) => OpenAI;
};

export const testSecret = new Uint8Array(32).fill(7);

export async function openTinyService(
  pair: Pair | EdgePair,
  options: ServiceOptions = {},
  shared?: Store,
): Promise<TinyService> {
  const store = shared ?? (await openStore(mkdtempSync(join(tmpdir(), "store-"))));
  let ids = 0;
  const service = await createService(pair, store, {
    threads: 1,
    secret: testSecret,
    newId: () => `id-${++ids}`,
    date: () => new Date("2026-11-28T12:00:00.000Z"),
    ...options,
  });
  const fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> =>
    service.fetch(new Request(input as string, init));
  return {
    ...service,
    store,
    ask: (path, body, init = {}) =>
      fetch(`http://service${path}`, {
        ...(body === undefined ? {} : { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) }),
        ...init,
      }),
    openai: (apiKey = "none") => new OpenAI({ apiKey, baseURL: "http://service/v1", fetch, maxRetries: 0 }),
  };
}
