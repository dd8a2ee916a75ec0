/** @file One input, asked of the base model, of the prompted one and of the specialisation at once. */
import { useState } from "preact/hooks";
import type { Answer, Api } from "../api.ts";
import { type Asker, askers, type Question } from "../ledger.ts";
import { messageOf, modelOf, type Selected } from "../state.ts";

type Column = {
  readonly text: string;
  readonly answer?: Answer;
  /** The answer was given while nothing else was asked. */
  readonly isAlone?: boolean;
  readonly error?: string;
};
type Columns = Readonly<Record<Asker, Column>>;

const answeredBy: Readonly<Record<string, string>> = {
  refined: "refined gates",
  residual: "gates and sentences of the prompt",
  prompted: "the prompt",
  cloud: "the cloud model",
};

const titles: Readonly<Record<Asker, string>> = {
  base: "Base model",
  prompted: "Prompted, by the text above",
  specialized: "Specialised",
};
const empty: Columns = { base: { text: "" }, prompted: { text: "" }, specialized: { text: "" } };

export type AskPanelProps = {
  readonly api: Api;
  readonly base: string;
  readonly prompt: string;
  readonly input: string;
  readonly onInput: (input: string) => void;
  readonly selected: Selected | undefined;
  readonly onAsked: (question: Question) => void;
};

/** Of one version: another one has answers of its own. */
export function AskPanel({ api, base, prompt, input, onInput, selected, onAsked }: AskPanelProps) {
  const [isBusy, setBusy] = useState(false);
  const [columns, setColumns] = useState(empty);

  const update = (asker: Asker, change: Partial<Column>): void =>
    setColumns((all) => ({ ...all, [asker]: { ...all[asker], ...change } }));

  /** Undefined where there is nobody to ask, or the question failed. */
  async function ask(asker: Asker, { isAlone = false } = {}): Promise<Answer | undefined> {
    const model = asker === "specialized" ? selected && modelOf(selected) : base;
    if (model === undefined || (asker === "prompted" && prompt === "")) return undefined;
    try {
      const constraintOf = selected && modelOf(selected); // all three answer in the same form
      const question = { model, prompt: asker === "prompted" ? prompt : undefined, input, constraintOf };
      const answer = await api.answer(question, isAlone ? undefined : (text) => update(asker, { text }));
      update(asker, { answer, text: answer.text, isAlone });
      return answer;
    } catch (error) {
      update(asker, { error: messageOf(error) });
      return undefined;
    }
  }

  async function askAll(): Promise<void> {
    setBusy(true);
    setColumns(empty);
    const answers = await Promise.all(askers.map((asker) => ask(asker)));
    if (selected !== undefined && answers.every((answer) => answer !== undefined)) {
      // Asked at once they share the processor. What a question takes is known when it is asked alone.
      const costs: Partial<Record<Asker, { tokens: number; ms: number }>> = {};
      for (const asker of askers) {
        const answer = await ask(asker, { isAlone: true });
        if (answer !== undefined) costs[asker] = { tokens: answer.promptTokens, ms: answer.ms };
      }
      const { base, prompted, specialized } = costs;
      if (base && prompted && specialized)
        onAsked({ object: selected.object, prompt, costs: { base, prompted, specialized } });
    }
    setBusy(false);
  }

  return (
    <section aria-labelledby="ask-title">
      <h2 id="ask-title">Ask</h2>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void askAll();
        }}
      >
        <label>
          Input
          <textarea
            id="input"
            rows={2}
            required
            value={input}
            onInput={(event) => onInput(event.currentTarget.value)}
          />
        </label>
        <button id="ask" type="submit" disabled={isBusy || input === ""}>
          Ask all three
        </button>
      </form>
      <div class="columns" aria-live="polite" aria-busy={isBusy}>
        {askers.map((asker) => {
          const { text, answer, isAlone, error } = columns[asker];
          return (
            <article key={asker} class="answer" data-who={asker}>
              <h3>{titles[asker]}</h3>
              {error === undefined ? <p class="text">{text}</p> : <p class="error">{error}</p>}
              {answer && (
                <p class="numbers">
                  {answer.promptTokens} tokens read · {answer.ms.toFixed(0)} ms{" "}
                  {isAlone ? "alone" : "beside the others"}
                  {answer.confidence === undefined ? "" : ` · ${(100 * answer.confidence).toFixed(0)} % sure`}
                  {answer.rung === undefined ? "" : ` · answered by ${answeredBy[answer.rung] ?? answer.rung}`}
                </p>
              )}
            </article>
          );
        })}
      </div>
    </section>
  );
}
