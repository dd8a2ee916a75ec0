/** @file Certificates in the making: a few at a time, one of each tenant, each in the background, its end kept in the store. */
import { AppError } from "../../base/errors.ts";
import { tellError } from "../errors.ts";
import type { Certificate } from "./certificate.ts";

type Measuring = {
  readonly status: "running";
  readonly done: number;
  readonly total: number;
  /** It waits: so many of the tenant's are measured before it. */
  readonly before?: number;
};

export type CertificationState =
  | Measuring
  | { readonly status: "failed"; readonly error: { readonly code: string; readonly message: string } };

/** What is to be measured: inputs, their characters, and a hash of all that was asked for. */
export type ToMeasure = { readonly total: number; readonly characters: number; readonly asked: string };

export type Certifications = {
  /**
   * Begins to measure, or waits until it is its turn.
   * @param work tells of its progress, and ends with the certificate, which is in the store by then
   * @throws E_BUSY where the same content is being measured already, or too much else waits
   */
  begin(
    tenant: string,
    object: string,
    what: ToMeasure,
    work: (tell: (done: number) => void, signal: AbortSignal) => Promise<Certificate>,
  ): Measuring;
  /** What was asked for of a content that is being measured, or waits for it. */
  asked(tenant: string, object: string): string | undefined;
  /** undefined: nothing is being measured, and nothing failed. */
  state(tenant: string, object: string): CertificationState | undefined;
  /** Ends what is being measured, and forgets what failed. */
  cancel(tenant: string, object: string): Promise<void>;
  /** Ends what is being measured. */
  close(): Promise<void>;
};

/** `waiting`: for their turn; each holds the texts that it is to measure, so those are bounded too, in characters. */
export const certificationLimits = {
  running: 4,
  waiting: 192,
  waitingOfTenant: 48,
  characters: 32 << 20,
  charactersOfTenant: 8 << 20,
  remembered: 1000,
} as const;

type Work = Parameters<Certifications["begin"]>[3];
type Waiting = { readonly tenant: string; readonly object: string; readonly what: ToMeasure; readonly work: Work };
type Running = {
  readonly object: string;
  readonly asked: string;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
};

/** @param log told of what failed without being thrown on purpose */
export function createCertifications(log: (error: unknown) => void): Certifications {
  const states = new Map<string, CertificationState>();
  /** By tenant: one at a time of each. */
  const running = new Map<string, Running>();
  const waiting: Waiting[] = [];
  let isEnding = false;
  const keyOf = (tenant: string, object: string): string => `${tenant}/${object}`;

  function remember(key: string, state: CertificationState): void {
    states.delete(key);
    states.set(key, state);
    for (const [oldest, { status }] of states) {
      if (states.size <= certificationLimits.remembered) break;
      if (status === "failed") states.delete(oldest);
    }
  }

  /** Those that wait and may begin now, in their order. */
  function beginNext(): void {
    while (!isEnding && running.size < certificationLimits.running) {
      const at = waiting.findIndex(({ tenant }) => !running.has(tenant));
      if (at < 0) return;
      const [next] = waiting.splice(at, 1);
      start(next!);
    }
  }

  function start({ tenant, object, what, work }: Waiting): void {
    const key = keyOf(tenant, object);
    const stop = new AbortController();
    const tell = (done: number): void => {
      const state = states.get(key);
      if (state?.status === "running") states.set(key, { ...state, done });
    };
    const ended = work(tell, stop.signal)
      .then(
        () => void states.delete(key),
        (error: unknown) => {
          if (!(error instanceof AppError)) log(error);
          const { code, message } = tellError(error).body.error;
          remember(key, { status: "failed", error: { code, message } });
        },
      )
      .finally(() => {
        running.delete(tenant);
        beginNext();
      });
    running.set(tenant, { object, asked: what.asked, stop, ended });
  }

  /** Whether no more may wait, of all or of the tenant. */
  function isFull(tenant: string, { characters }: ToMeasure): boolean {
    const own = waiting.filter((each) => each.tenant === tenant);
    const held = (all: readonly Waiting[]) => all.reduce((sum, { what }) => sum + what.characters, characters);
    return (
      waiting.length >= certificationLimits.waiting ||
      own.length >= certificationLimits.waitingOfTenant ||
      held(waiting) > certificationLimits.characters ||
      held(own) > certificationLimits.charactersOfTenant
    );
  }

  /** Where it waits: its place among those of the tenant. */
  function stateOf(tenant: string, object: string): CertificationState | undefined {
    const state = states.get(keyOf(tenant, object));
    const at = waiting.filter((each) => each.tenant === tenant).findIndex((each) => each.object === object);
    return state?.status === "running" && at >= 0 ? { ...state, before: at + (running.has(tenant) ? 1 : 0) } : state;
  }

  async function cancel(tenant: string, object: string): Promise<void> {
    const at = waiting.findIndex((each) => each.tenant === tenant && each.object === object);
    if (at >= 0) waiting.splice(at, 1);
    const found = running.get(tenant);
    if (found?.object === object) {
      found.stop.abort();
      await found.ended;
    }
    states.delete(keyOf(tenant, object));
  }

  return {
    begin(tenant, object, what, work) {
      const key = keyOf(tenant, object);
      if (states.get(key)?.status === "running")
        throw new AppError("E_BUSY", "certificate: this one is being measured already; ask again later");
      const hasToWait = running.has(tenant) || running.size >= certificationLimits.running;
      if (isEnding || (hasToWait && isFull(tenant, what)))
        throw new AppError("E_BUSY", `certificate: ${waiting.length} wait to be measured: ask again later`);
      remember(key, { status: "running", done: 0, total: what.total });
      waiting.push({ tenant, object, what, work });
      beginNext();
      return stateOf(tenant, object) as Measuring;
    },
    state: stateOf,
    asked(tenant, object) {
      const found = running.get(tenant);
      if (found?.object === object) return found.asked;
      return waiting.find((each) => each.tenant === tenant && each.object === object)?.what.asked;
    },
    cancel,
    async close() {
      isEnding = true;
      waiting.length = 0;
      for (const { stop } of running.values()) stop.abort();
      await Promise.all([...running.values()].map(({ ended }) => ended));
    },
  };
}
