/** @file What the routes work with. Made once, passed in. */
import type { Context } from "hono";
import type { ConstraintSpec } from "../constraint/spec.ts";
import type { EdgePair } from "../pair/pair.ts";
import type { Specialization } from "../pair/specialization.ts";
import type { TruncateMode } from "../text/truncate-prompt.ts";
import type { Downloads } from "./downloads.ts";
import type { Caller, Keys } from "./keys.ts";
import type { Metrics } from "./metrics.ts";
import type { Models } from "./models.ts";
import type { Playground } from "./playground-file.ts";
import type { CloudSide, Side } from "./sides.ts";
import type { Store } from "./store/store.ts";
import type { Rung } from "./trust/certificate.ts";
import type { Certifications } from "./trust/certifications.ts";
import type { ReferenceModel } from "./trust/reference.ts";
import type { RefineGates } from "./trust/refine.ts";

export type SpecializePrompt = (
  prompt: string,
  options: {
    readonly secret: Uint8Array | undefined;
    readonly constraint: ConstraintSpec | undefined;
    readonly truncate: TruncateMode | undefined;
    /** Who asks: one tenant does not take all places. */
    readonly tenant: string;
    /** Calls it off, where nobody waits for it any more. */
    readonly signal: AbortSignal | undefined;
  },
) => Promise<Specialization>;

/** The cloud pass: prompts become gates. */
export type CloudPass = {
  /** On another host. */
  readonly isRemote: boolean;
  /** Throws E_BUSY where too many prompts are there already, E_INTERRUPTED where it is called off. */
  readonly specialize: SpecializePrompt;
  /** The hash of what reads prompts: another one may make other gates of the same prompt. Throws as `specialize`. */
  reader(asked: Pick<Parameters<SpecializePrompt>[1], "tenant" | "signal">): Promise<string>;
  close(): Promise<void>;
};

export type Services = {
  readonly pair: EdgePair;
  /** The edge model. */
  readonly edge: Side;
  /** The cloud model, where it may answer for specialisations that are found wanting. */
  readonly cloud: CloudSide | undefined;
  /** Finds better gates on examples; undefined: gates are not refined here. */
  readonly refine: RefineGates | undefined;
  readonly store: Store;
  readonly models: Models;
  /** Undefined where there is no cloud model. */
  readonly cloudPass: CloudPass | undefined;
  /** Exports to take away; undefined: none. */
  readonly downloads: Downloads | undefined;
  readonly certifications: Certifications;
  /** A stronger model that certificates are held against; undefined: none. */
  readonly reference: ReferenceModel | undefined;
  /** By which prompts are recognised. */
  readonly secret: Uint8Array | undefined;
  readonly keys: Keys;
  /** Where no key is asked for: what web pages may ask, by the names of the service; undefined where keys are. */
  readonly pages: { readonly hosts: readonly string[] | undefined } | undefined;
  /** The page that browsers are shown; undefined: none. */
  readonly playground: Playground | undefined;
  readonly metrics: Metrics;
  readonly log: (line: LogLine) => void;
  /** The same for those who are turned away, who cannot fill it. */
  readonly logRefusal: (line: LogLine) => void;
  /** A clock in milliseconds, the engine's. */
  readonly now: () => number;
  readonly date: () => Date;
  readonly newId: () => string;
  /** How long an answer may take. */
  readonly requestMs: number;
  /** Of a streamed answer: how much may wait for a client that does not read. */
  readonly streamBytes: number;
  /** How long a prompt may take with the cloud model; undefined: as long as it takes. */
  readonly promptMs: number | undefined;
  /** The folder from which `/v1/load_lora_adapter` may read; undefined: none. */
  readonly adapters: string | undefined;
  readonly isEnding: () => boolean;
};

/** One line of the log, as JSON: never what was asked or answered. */
export type LogLine = {
  readonly at: string;
  readonly level: "info" | "warn" | "error";
  readonly request: string;
  readonly method: string;
  readonly route: string;
  readonly status: number;
  readonly ms: number;
  readonly tenant?: string;
  readonly model?: string;
  /** Who answered for a specialisation that its certificate found wanting. */
  readonly rung?: Rung;
  readonly promptTokens?: number;
  readonly completionTokens?: number;
  readonly code?: string;
  /** Of an error that was not thrown on purpose. */
  readonly error?: string;
  /** Who was turned away: the address that the connection is from. */
  readonly client?: string;
  /** Of an address that the service does not have. */
  readonly path?: string;
  /** How many lines like this one were left out before it. */
  readonly leftOut?: number;
};

/** What whoever passes a request on knows of its connection. */
export type Connection = { readonly client?: string | undefined };

/** What a request carries along. */
export type Env = {
  Bindings: Connection;
  Variables: {
    caller: Caller;
    requestId: string;
    /** Of an answer in pieces: resolves at its end, with what went wrong on the way. */
    ended?: Promise<unknown>;
    about: {
      model?: string;
      rung?: Rung;
      promptTokens?: number;
      completionTokens?: number;
      code?: string;
      error?: string;
    };
  };
};
export type RouteContext = Context<Env>;
