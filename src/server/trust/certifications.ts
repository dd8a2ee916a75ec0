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
   * @throws E_BUSY where this one is being measured already, or too many others are
   */
  begin(
    key: string,
    total: number,
    work: (tell: (done: number) => void, signal: AbortSignal) => Promise<Certificate>,
  ): CertificationState;
  /** undefined: nothing is being measured, and nothing failed. */
  state(key: string): CertificationState | undefined;
  /** Ends what is being measured. */
  close(): Promise<void>;
};

export const certificationLimits = { running: 2, remembered: 1000 } as const;

export function createCertifications(): Certifications {
  const states = new Map<string, CertificationState>();
  const running = new Map<string, Promise<void>>();
  const ending = new AbortController();

  function remember(key: string, state: CertificationState): void {
    states.delete(key);
    states.set(key, state);
    for (const oldest of states.keys()) {
      if (states.size <= certificationLimits.remembered) break;
      if (!running.has(oldest)) states.delete(oldest);
    }
  }

  return {
    begin(key, total, work) {
      if (running.has(key)) throw new AppError("E_BUSY", "certificate: it is being measured already");
      if (ending.signal.aborted || running.size >= certificationLimits.running)
        throw new AppError("E_BUSY", `certificate: ${running.size} are being measured: ask again later`);
      const begun: CertificationState = { status: "running", done: 0, total };
      remember(key, begun);
      const tell = (done: number): void => void states.set(key, { ...begun, done });
      const ended = work(tell, ending.signal).then(
        () => void states.delete(key),
        (error: unknown) => {
          const { code, message } = tellError(error).body.error;
          states.set(key, { status: "failed", error: { code, message } });
        },
      );
      running.set(
        key,
        ended.finally(() => running.delete(key)),
      );
      return begun;
    },
    state: (key) => states.get(key),
    async close() {
      ending.abort();
      await Promise.all(running.values());
    },
  };
}
