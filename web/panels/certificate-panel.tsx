/** @file How the specialisation answers labelled examples, beside the others. */
import { useState } from "preact/hooks";
import type { Certificate } from "../../src/server/trust/certificate.ts";
import type { Api } from "../api.ts";
import { messageOf, modelOf, type Selected } from "../state.ts";
import { Ladder } from "./ladder.tsx";

const pollMs = 1000;
const parties = ["specialized", "refined", "residual", "prompted", "cloud", "base", "control"] as const;

export type CertificatePanelProps = {
  readonly api: Api;
  readonly prompt: string;
  readonly selected: Selected | undefined;
};

export function CertificatePanel({ api, prompt, selected }: CertificatePanelProps) {
  const [text, setText] = useState("");
  const [threshold, setThreshold] = useState("");
  const [refine, setRefine] = useState("");
  const [isFallback, setFallback] = useState(false);
  const [progress, setProgress] = useState<string>();
  const [error, setError] = useState<string>();
  const [known, setKnown] = useState<{ readonly model: string; readonly certificate: Certificate }>();

  async function measure(model: string): Promise<void> {
    setError(undefined);
    setKnown(undefined);
    setProgress("begins …");
    try {
      await api.certify(model, {
        examples: examplesOf(text),
        prompt,
        ...(threshold === "" ? {} : { threshold: Number(threshold) }),
        ...(refine === "" ? {} : { refine: Number(refine) }),
        ...(isFallback ? { fallback: true } : {}),
      });
      for (;;) {
        const state = await api.certificate(model);
        if (state.status === "failed") throw new Error(state.error.message);
        if (state.status === "done") {
          setKnown({ model, certificate: state.certificate });
          break;
        }
        setProgress(
          state.done < state.total
            ? `${state.done} of ${state.total} inputs`
            : "all inputs; rungs of the ladder are tried …",
        );
        await new Promise((done) => setTimeout(done, pollMs));
      }
    } catch (failure) {
      setError(messageOf(failure));
    }
    setProgress(undefined);
  }

  async function forget(model: string): Promise<void> {
    setError(undefined);
    try {
      await api.uncertify(model);
      setKnown(undefined);
    } catch (failure) {
      setError(messageOf(failure));
    }
  }

  const needsThreshold = refine !== "" || isFallback;
  return (
    <section aria-labelledby="certificate-title">
      <h2 id="certificate-title">Certificate</h2>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (selected !== undefined) void measure(modelOf(selected));
        }}
      >
        <label>
          Labelled examples, one a line: input {"=>"} answer
          <textarea
            id="examples"
            rows={4}
            required
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
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
        {error && <p class="error">{error}</p>}
        {known && selected && known.model === modelOf(selected) && (
          <>
            <CertificateTable certificate={known.certificate} />
            <button id="forget" type="button" class="quiet" onClick={() => void forget(known.model)}>
              Forget this certificate
            </button>
          </>
        )}
      </div>
    </section>
  );
}

function CertificateTable({ certificate }: { readonly certificate: Certificate }) {
  const { parties: found, inputs, refinedOn, rung, threshold } = certificate;
  const share = (value: number): string => (100 * value).toFixed(0);
  return (
    <div id="certificate" data-rung={rung ?? "none"}>
      <table>
        <thead>
          <tr>
            <th scope="col">who</th>
            <th scope="col">score, % (95 % interval)</th>
            <th scope="col">tokens read</th>
            <th scope="col">ms</th>
          </tr>
        </thead>
        <tbody>
          {parties.flatMap((party) => {
            const result = found[party];
            if (result === undefined) return [];
            const { score, inputTokens, ms } = result;
            return [
              <tr key={party}>
                <th scope="row">{party}</th>
                <td>
                  {share(score.mean)} ({share(score.low)} to {share(score.high)})
                </td>
                <td>{inputTokens.toFixed(0)}</td>
                <td>{ms?.toFixed(0) ?? ""}</td>
              </tr>,
            ];
          })}
        </tbody>
      </table>
      <p>
        {inputs} inputs{refinedOn === undefined ? "" : `, and ${refinedOn} that gates could be refined on`}.{" "}
        {threshold === undefined
          ? ""
          : rung
            ? `The cheapest that scores the least: ${rung}.`
            : "None scores the least."}
      </p>
      <Ladder certificate={certificate} />
    </div>
  );
}

/** Throws where a line is no example. */
function examplesOf(text: string): { input: string; output: string }[] {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line, i) => {
      const at = line.lastIndexOf("=>");
      if (at < 1) throw new Error(`Line ${i + 1}: expected input => answer.`);
      return { input: line.slice(0, at).trim(), output: line.slice(at + 2).trim() };
    });
}
