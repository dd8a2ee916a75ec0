/** @file Which sentences of a prompt moved which gates, and which names are like this one. */
import { useState } from "preact/hooks";
import type { Api, Why } from "../api.ts";
import { messageOf, type Selected } from "../state.ts";

export type WhyProps = { readonly api: Api; readonly prompt: string; readonly selected: Selected };

export function WhyPart({ api, prompt, selected: { name, version } }: WhyProps) {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const [why, setWhy] = useState<Why>();

  async function ask(): Promise<void> {
    setBusy(true);
    setError(undefined);
    setWhy(undefined);
    try {
      setWhy(await api.why(name, version, prompt));
    } catch (failure) {
      setError(messageOf(failure));
    }
    setBusy(false);
  }

  return (
    <div aria-live="polite">
      <button id="why" type="button" class="quiet" disabled={isBusy || prompt === ""} onClick={() => void ask()}>
        {isBusy ? "Each sentence is left out once …" : "Why these gates?"}
      </button>
      {error && <p class="error">{error}</p>}
      {why && (
        <>
          {why.answers !== "specialized" && (
            <p>
              Its certificate says who answers: {why.answers}. Sentences tell of the gates that the prompt predicts.
            </p>
          )}
          <ol id="sentences">
            {why.sentences.map(({ text, distance, moved: [most] }) => (
              <li key={text}>
                <meter min={0} max={1} value={Math.min(1, distance)} aria-label="how far it moved the gates" />{" "}
                {(100 * distance).toFixed(0)} %: {text}
                {most === undefined
                  ? ""
                  : ` (most: layer ${most.layer + 1}, expert ${most.expert + 1}, ${most.from.toFixed(2)} → ${most.to.toFixed(2)})`}
              </li>
            ))}
          </ol>
          <p id="nearest">
            {why.nearest.length === 0
              ? "No other name is like it."
              : `Likest: ${why.nearest.map((each) => `${each.name} (${each.similarity.toFixed(2)})`).join(", ")}.`}
          </p>
        </>
      )}
    </div>
  );
}
