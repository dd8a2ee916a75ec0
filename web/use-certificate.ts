/** @file The certificate of the version that is selected: what is kept of it, how far it is, and why it failed. */
import { useEffect, useState } from "preact/hooks";
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

  // Another round begins where one was told to be measured.
  useEffect(() => {
    if (selected === undefined) return undefined;
    let isOver = false;
    async function follow(of: Selected): Promise<void> {
      while (!isOver) {
        const state = await api.certificate(modelOf(of));
        if (isOver) return;
        setFound({ of, known: state === undefined ? {} : knownOf(state) });
        if (state?.status !== "running") return;
        await new Promise((done) => setTimeout(done, pollMs));
      }
    }
    follow(selected).catch((error: unknown) => {
      if (!isOver) setFound({ of: selected, known: { error: messageOf(error) } });
    });
    return () => {
      isOver = true;
    };
  }, [api, selected, round]);

  async function measure(of: Selected, body: object): Promise<void> {
    setFound({ of, known: { progress: "begins …" } });
    try {
      await api.certify(modelOf(of), body);
      setRound((last) => last + 1);
    } catch (error) {
      setFound({ of, known: { error: messageOf(error) } });
    }
  }

  async function forget(of: Selected): Promise<void> {
    try {
      await api.uncertify(modelOf(of));
      setFound({ of, known: {} });
    } catch (error) {
      setFound({ of, known: { error: messageOf(error) } });
    }
  }

  return { ...(found !== undefined && found.of === selected ? found.known : {}), measure, forget };
}
