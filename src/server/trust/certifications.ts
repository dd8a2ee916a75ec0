/** @file Certificates in the making: a few at a time, each in the background, its end kept in the store. */
import { AppError } from "../../base/errors.ts";
import { tellError } from "../errors.ts";
import type { Certificate } from "./certificate.ts";

export type CertificationState =
  | { readonly status: "running"; readonly done: number; readonly total: number }
  | { readonly status: "failed"; readonly error: { readonly code: string; readonly message: string } };

export type Certifications = {
  /**
   * Begins to measure.
   * @param work tells of its progress, and ends with the certificate, which is in the store by then
   * @throws E_BUSY where one of the tenant's is being measured already, or too many others are
   */
  begin(
    tenant: string,
    object: string,
    total: number,
    work: (tell: (done: number) => void, signal: AbortSignal) => Promise<Certificate>,
  ): CertificationState;
  /** undefined: nothing is being measured, and nothing failed. */
  state(tenant: string, object: string): CertificationState | undefined;
  /** Ends what is being measured, and forgets what failed. */
  cancel(tenant: string, object: string): Promise<void>;
  /** Ends what is being measured. */
  close(): Promise<void>;
};

export const certificationLimits = { running: 4, remembered: 1000 } as const;

type Running = { readonly object: string; readonly stop: AbortController; readonly ended: Promise<void> };

/** @param log told of what failed without being thrown on purpose */
export function createCertifications(log: (error: unknown) => void): Certifications {
  const states = new Map<string, CertificationState>();
  /** By tenant: one at a time of each. */
  const running = new Map<string, Running>();
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

  async function cancel(tenant: string, object: string): Promise<void> {
    const found = running.get(tenant);
    if (found?.object === object) {
      found.stop.abort();
      await found.ended;
    }
    states.delete(keyOf(tenant, object));
  }

  return {
    begin(tenant, object, total, work) {
      if (running.has(tenant))
        throw new AppError("E_BUSY", "certificate: another one of yours is being measured; ask again later");
      if (isEnding || running.size >= certificationLimits.running)
        throw new AppError("E_BUSY", `certificate: ${running.size} are being measured: ask again later`);
      const key = keyOf(tenant, object);
      const begun: CertificationState = { status: "running", done: 0, total };
      remember(key, begun);
      const stop = new AbortController();
      const tell = (done: number): void => {
        if (states.get(key)?.status === "running") states.set(key, { ...begun, done });
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
        .finally(() => running.delete(tenant));
      running.set(tenant, { object, stop, ended });
      return begun;
    },
    state: (tenant, object) => states.get(keyOf(tenant, object)),
    cancel,
    async close() {
      isEnding = true;
      for (const { stop } of running.values()) stop.abort();
      await Promise.all([...running.values()].map(({ ended }) => ended));
    },
  };
}
