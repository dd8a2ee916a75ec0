/** @file The certificate of the version that is selected: what is kept of it, how far it is, and why it failed. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Api, CertificateState, ShownCertificate } from "./api.ts";
import { countOf, messageOf, modelOf, type Selected } from "./state.ts";

const pollMs = 1000;

type Known = {
  readonly certificate?: ShownCertificate | undefined;
  /** While it is measured. */
  readonly progress?: string | undefined;
  readonly error?: string | undefined;
};
export type CertificateView = Known & {
  readonly measure: (selected: Selected, body: object) => Promise<void>;
  readonly forget: (selected: Selected) => Promise<void>;
};

function progressOf({ done, total, before = 0 }: Extract<CertificateState, { status: "running" }>): string {
  if (before > 0) return `waits until ${countOf(before, "other")} of yours ${before === 1 ? "is" : "are"} measured …`;
  return done < total ? `${done} of ${total} inputs` : "all inputs; what remains is asked …";
}

const knownOf = (state: CertificateState): Known => ({
  certificate: state.certificate,
  progress: state.status === "running" ? progressOf(state) : undefined,
  error: state.status === "failed" ? state.error.message : undefined,
});

/** Asked for whenever a version is selected: it may have been measured before, or from elsewhere. */
export function useCertificate(api: Api, selected: Selected | undefined): CertificateView {
  const [found, setFound] = useState<{ readonly of: Selected; readonly known: Known }>();
  const [round, setRound] = useState(0);
  const current = useRef(selected);
  current.current = selected;

  /** Of a version that is not selected any more nothing is told. Where nothing is said of the certificate, the one that is shown stays. */
  function tell(of: Selected, known: Known): void {
    if (current.current !== of) return;
    setFound((last) => ({
      of,
      known: { certificate: last?.of === of ? last.known.certificate : undefined, ...known },
    }));
  }

  // Another round begins where one was told to be measured, or was forgotten.
  useEffect(() => {
    if (selected === undefined) return undefined;
    let isOver = false;
    async function follow(of: Selected): Promise<void> {
      while (!isOver) {
        const state = await api.certificate(modelOf(of));
        if (isOver) return;
        tell(of, state === undefined ? { certificate: undefined } : knownOf(state));
        if (state?.status !== "running") return;
        await new Promise((done) => setTimeout(done, pollMs));
      }
    }
    follow(selected).catch((error: unknown) => {
      if (!isOver) tell(selected, { error: messageOf(error) });
    });
    return () => {
      isOver = true;
    };
  }, [api, selected, round]);

  async function change(of: Selected, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
      setRound((last) => last + 1);
    } catch (error) {
      tell(of, { error: messageOf(error) });
    }
  }

  return {
    ...(found !== undefined && found.of === selected ? found.known : {}),
    measure(of, body) {
      tell(of, { progress: "begins …" });
      return change(of, () => api.certify(modelOf(of), body));
    },
    forget: (of) => change(of, () => api.uncertify(modelOf(of))),
  };
}
