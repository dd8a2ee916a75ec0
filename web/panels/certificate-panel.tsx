/** @file How the specialisation answers inputs of the user's own, beside the others: asked for, waited for, shown, forgotten. */
import { useState } from "preact/hooks";
import { readGiven } from "../examples.ts";
import { messageOf, type Selected } from "../state.ts";
import type { CertificateView } from "../use-certificate.ts";
import { CertificatePart } from "./certificate.tsx";

export type CertificatePanelProps = {
  readonly prompt: string;
  readonly selected: Selected | undefined;
  readonly view: CertificateView;
};

export function CertificatePanel({ prompt, selected, view }: CertificatePanelProps) {
  const { certificate, progress, error, measure, forget } = view;
  const [text, setText] = useState("");
  const [threshold, setThreshold] = useState("");
  const [refine, setRefine] = useState("");
  const [isFallback, setFallback] = useState(false);
  const [unread, setUnread] = useState<string>();

  async function begin(of: Selected): Promise<void> {
    setUnread(undefined);
    try {
      await measure(of, {
        ...readGiven(text),
        ...(prompt === "" ? {} : { prompt }),
        ...(threshold === "" ? {} : { threshold: Number(threshold) }),
        ...(refine === "" ? {} : { refine: Number(refine) }),
        ...(isFallback ? { fallback: true } : {}),
      });
    } catch (failure) {
      setUnread(messageOf(failure));
    }
  }

  const needsThreshold = refine !== "" || isFallback;
  return (
    <section aria-labelledby="certificate-title">
      <h2 id="certificate-title">Certificate</h2>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (selected !== undefined) void begin(selected);
        }}
      >
        <label>
          Inputs of yours, one a line: input {"=>"} answer, or inputs alone, or JSON lines of input and target
          <textarea
            id="examples"
            rows={4}
            required
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
        <p class="hint">
          Inputs alone are held against the service's reference model, or else against what the prompted edge model
          answers; they take the prompt above.
        </p>
        <label>
          Least score, 0 to 1, for a verdict on 20 inputs or more
          <input
            id="threshold"
            type="number"
            min="0"
            max="1"
            step="0.01"
            required={needsThreshold}
            value={threshold}
            onInput={(event) => setThreshold(event.currentTarget.value)}
          />
        </label>
        <label>
          Few examples to refine gates on, 4 to 500: so many of those above are then not measured
          <input
            id="refine"
            type="number"
            min="4"
            max="500"
            step="1"
            value={refine}
            onInput={(event) => setRefine(event.currentTarget.value)}
          />
        </label>
        <label class="choice">
          <input
            id="fallback"
            type="checkbox"
            checked={isFallback}
            onChange={(event) => setFallback(event.currentTarget.checked)}
          />
          The cheapest that scores the least answers for the name; what it needs of the prompt is kept
        </label>
        <button id="measure" type="submit" disabled={selected === undefined || progress !== undefined}>
          Measure
        </button>
      </form>
      <div aria-live="polite">
        {progress && <p>{progress}</p>}
        {(unread ?? error) && <p class="error">{unread ?? error}</p>}
        {certificate && selected && (
          <>
            <CertificatePart certificate={certificate} />
            <button id="forget" type="button" class="quiet" onClick={() => void forget(selected)}>
              Forget this certificate
            </button>
          </>
        )}
      </div>
    </section>
  );
}
