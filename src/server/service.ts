/** @file A whole service of one pair: its engine, its store, and the app over both. */
import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { AppError } from "../base/errors.ts";
import { requireRunning } from "../base/interrupt.ts";
import type { EdgePair } from "../pair/pair.ts";
import type { Pair } from "../pair/pair-file.ts";
import { createSpecializer, type Specializer } from "../pair/specialize.ts";
import { createConstraintCache } from "./api/constraints.ts";
import { createApp } from "./app.ts";
import { createDownloads } from "./downloads.ts";
import { createEngine, type Engine, type EngineOptions } from "./engine/engine.ts";
import { streamLimits } from "./event-stream.ts";
import { createKeys, type KeyFile, noKeys } from "./keys.ts";
import { createMetrics } from "./metrics.ts";
import { createModels } from "./models.ts";
import { createPlaces } from "./places.ts";
import type { Playground } from "./playground-file.ts";
import { readerOf } from "./reader.ts";
import { limitRefusals } from "./refusal-log.ts";
import type { CloudPass, Connection, LogLine, SpecializePrompt } from "./services.ts";
import { type CloudSide, cloudSide, type Side } from "./sides.ts";
import { servedStore } from "./store/served-store.ts";
import type { Store } from "./store/store.ts";
import { answeringGates } from "./trust/answering-content.ts";
import { createCertifications } from "./trust/certifications.ts";
import type { ReferenceModel } from "./trust/reference.ts";
import { refineWith } from "./trust/refine.ts";

export type ServiceOptions = Omit<EngineOptions, "now"> & {
  /** Of the base model; the pair's own name unless told otherwise. */
  readonly baseName?: string | undefined;
  /** By which prompts are recognised; without one no specialisation says which prompt it is of. */
  readonly secret?: Uint8Array | undefined;
  /** Who may ask; without them everybody may do all. */
  readonly keys?: KeyFile | undefined;
  /** Asked at most once a second: the keys where they have changed since. What it throws is logged, and the keys stay. */
  readonly changedKeys?: (() => Promise<KeyFile | undefined>) | undefined;
  /** The names by which it may be called where no key is asked for; any without them. */
  readonly hosts?: readonly string[] | undefined;
  readonly log?: (line: LogLine) => void;
  /** Reads prompts in the place of this pair's cloud model. */
  readonly cloud?: CloudPass | undefined;
  /**
   * Whether the pair's cloud model may answer in the place of specialisations that are found wanting: its weights are opened for that, unless
   * it is one on another host.
   */
  readonly cloudAnswers?: boolean | CloudSide | undefined;
  /** What exports call the edge model, such as its id on the hub; the pair's name unless told otherwise. */
  readonly edgeName?: string | undefined;
  /** Where exports are made before they are taken away; the system's own folder for temporary files. */
  readonly temporary?: string | undefined;
  /** The page that browsers are shown. */
  readonly playground?: Playground | undefined;
  /** A stronger model that certificates are held against. */
  readonly reference?: ReferenceModel | undefined;
  /** How long an answer may take; 120 s unless told otherwise. */
  readonly requestMs?: number;
  /** Of a streamed answer: how many bytes may wait for a client that does not read them, before it is called off; 2 MiB unless told otherwise. */
  readonly streamBytes?: number;
  /**
   * How long a prompt may take with the cloud model, its waiting there among it. Unless told otherwise 120 s where that model is on another
   * host, and as long as it takes where it is here.
   */
  readonly promptMs?: number | undefined;
  /** The folder from which `/v1/load_lora_adapter` may read. */
  readonly adapters?: string | undefined;
  readonly now?: () => number;
  readonly date?: () => Date;
  readonly newId?: () => string;
};

export type Service = AsyncDisposable & {
  /** Answers a request. Its signal calls it off. */
  readonly fetch: (request: Request, connection?: Connection) => Response | Promise<Response>;
  readonly engine: Engine;
  /** What the base model is called. */
  readonly base: string;
  /** Merges what a name stands for now into weights of its own; requests for another version of it are answered by gates. */
  pin(tenant: string, name: string): Promise<void>;
  /**
   * From now on `/readyz` says that the service is ending, and new questions are refused; resolves when the last one is answered: after
   * `requestMs` and `promptMs` at the latest, where no prompt waits for a cloud model here.
   */
  close(): Promise<void>;
};

const defaultRequestMs = 120_000;

/** Throws as `createEngine`. */
export async function createService(
  pair: Pair | EdgePair,
  given: Store,
  options: ServiceOptions = {},
): Promise<Service> {
  const store = servedStore(given);
  const { secret, keys, log = () => undefined, requestMs = defaultRequestMs, adapters } = options;
  const { now = () => performance.now(), date = () => new Date(), newId = randomUUID } = options;
  const base = options.baseName ?? baseNameOf(pair.name);
  const pass = options.cloud ?? ("cloud" in pair ? cloudPass(pair, options.threads) : undefined);
  const { cloudAnswers = false, promptMs = pass?.isRemote ? defaultRequestMs : undefined } = options;
  const answering =
    cloudAnswers === true ? cloudSide(requireCloud(pair), { ...options, now }) : cloudAnswers || undefined;
  const fault = (method: string, route: string, error: unknown): void =>
    log({
      ...{ at: date().toISOString(), level: "error", request: "-", method, route, status: 500, ms: 0 },
      error: error instanceof Error ? String(error.stack) : String(error),
    });
  const keysOf =
    keys === undefined
      ? noKeys
      : createKeys(keys, now, {
          changed: options.changedKeys,
          onBroken: (error) => fault("-", "keys", error),
        });
  const engine = await createEngine(pair, { ...options, now }); // the last that may be refused: nobody would close it
  const edge: Side = { engine, texts: pair, constraints: createConstraintCache(pair) };
  const { edgeName: baseName = pair.name, temporary: folder = tmpdir() } = options;
  const downloads = "tokenizerPath" in pair ? createDownloads(pair, { baseName, folder, date }) : undefined;
  const models = createModels(pair, store, base);
  const certifications = createCertifications((error) => fault("POST", "/v1/specializations/:name/certificate", error));
  let isEnding = false;
  const app = createApp({
    pair,
    edge,
    cloud: answering,
    refine: refineWith(pair, options.threads),
    store,
    models,
    downloads,
    certifications,
    reference: options.reference,
    cloudPass: pass,
    secret,
    keys: keysOf,
    pages: keys === undefined ? { hosts: options.hosts } : undefined,
    playground: options.playground,
    metrics: createMetrics(),
    log,
    logRefusal: limitRefusals(log, now),
    now,
    date,
    newId,
    requestMs,
    streamBytes: options.streamBytes ?? streamLimits.waitingBytes,
    promptMs,
    adapters,
    isEnding: () => isEnding,
  });
  async function pin(tenant: string, name: string): Promise<void> {
    const { object } = await store.resolve(tenant, name);
    const { specialized } = await models.find(tenant, name);
    const { gates: pinned } = answeringGates(name, await store.read(object), await store.certificate(tenant, object));
    if (specialized?.gates !== undefined && pinned !== undefined) await engine.pin(specialized.gates, pinned);
  }
  async function close(): Promise<void> {
    isEnding = true;
    const prompts = pass?.close();
    await Promise.all([certifications.close(), downloads?.close()]);
    await Promise.all([engine.close(), answering?.close(), prompts]);
  }
  return {
    fetch: (request, connection = {}) => app.fetch(request, connection),
    engine,
    base,
    pin,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function requireCloud(pair: Pair | EdgePair): Pair {
  if ("cloud" in pair) return pair;
  throw new AppError(
    "E_USAGE",
    "cloud answers: expected a pair with its cloud model, found the edge model's part alone",
  );
}

/** A pair's name in the letters that names have. */
const baseNameOf = (name: string): string =>
  name
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, "")
    .slice(0, 64) || "base";

/** Prompts that may wait for the cloud model. Exported for tests. */
export const waitingLimits = { all: 64, ofTenant: 16 } as const;

const calledOff = "the prompt was called off";

/** The cloud model, opened when it is first needed; one prompt at a time. Exported for tests. */
export function cloudPass(
  pair: Pair,
  threads: number | undefined,
  open: typeof createSpecializer = createSpecializer,
): CloudPass {
  let opened: Promise<Specializer> | undefined;
  /** Prompts whose turn has not come, in their order. */
  const waiting = new Set<() => Promise<void>>();
  let reading: Promise<void> | undefined;
  const take = createPlaces("prompts that wait for the cloud model", waitingLimits);
  let isEnding = false;
  const refuseLate = (): void => {
    if (isEnding) throw new AppError("E_BUSY", "the service is ending: it takes no more prompts");
  };
  /** A model that could not be opened is tried again by the next prompt. */
  const opening = (): Promise<Specializer> => {
    opened ??= open(pair, threads === undefined ? {} : { threads }).catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };
  async function readAll(): Promise<void> {
    for (const read of waiting) {
      waiting.delete(read);
      await read();
    }
    reading = undefined;
  }
  const specialize: SpecializePrompt = async (prompt, { secret, constraint, truncate, tenant, signal }) => {
    refuseLate();
    requireRunning(signal, calledOff);
    const leave = take(tenant);
    return new Promise((done, fail) => {
      const read = async (): Promise<void> => {
        leave();
        try {
          refuseLate();
          const specializer = await opening();
          const options = { secret, constraint, ...(truncate === undefined ? {} : { truncate }) };
          done(await specializer.specialize(prompt, options));
        } catch (error) {
          fail(error);
        }
        signal?.removeEventListener("abort", stop);
      };
      /** What is being read cannot be stopped, but nobody waits for it. */
      const stop = (): void => {
        waiting.delete(read);
        leave();
        fail(new AppError("E_INTERRUPTED", calledOff));
      };
      signal?.addEventListener("abort", stop, { once: true });
      waiting.add(read);
      reading ??= readAll();
    });
  };
  let reader: string | undefined;
  return {
    isRemote: false,
    specialize,
    async reader() {
      reader ??= readerOf(pair);
      return reader;
    },
    /** Ends the prompt under way; those that wait are refused. */
    async close() {
      isEnding = true;
      await reading;
      await (await opened)?.close();
    },
  };
}
