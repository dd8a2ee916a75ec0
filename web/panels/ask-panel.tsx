/** @file One input, asked of the base model, of the prompted one and of the specialisation at once. */
import { useState } from "preact/hooks";
import type { Answer, Api } from "../api.ts";
import { messageOf, modelOf, type Selected } from "../state.ts";

type Column = { readonly title: string; readonly text: string; readonly answer?: Answer; readonly error?: string };

const answeredBy: Readonly<Record<string, string>> = {
  refined: "refined gates",
  residual: "gates and sentences of the prompt",
  prompted: "the prompt",
  cloud: "the cloud model",
};

const titles = ["Base model", "Prompted, by the text above", "Specialised"] as const;

export type AskPanelProps = {
  readonly api: Api;
  readonly base: string;
  readonly prompt: string;
  readonly input: string;
  readonly onInput: (input: string) => void;
  readonly selected: Selected | undefined;
  readonly onAnswers: (prompted: Answer, specialized: Answer) => void;
};

/** Of one version: another one has answers of its own. */
export function AskPanel({ api, base, prompt, input, onInput, selected, onAnswers }: AskPanelProps) {
  const [isBusy, setBusy] = useState(false);
  const [columns, setColumns] = useState<readonly Column[]>(titles.map((title) => ({ title, text: "" })));

  const update = (at: number, change: Partial<Column>): void =>
    setColumns((all) => all.map((column, i) => (i === at ? { ...column, ...change } : column)));

  async function ask(at: number, model: string, shown: string | undefined): Promise<Answer | undefined> {
    try {
      const constraintOf = selected && modelOf(selected); // all three answer in the same form
      const question = { model, prompt: shown, input, constraintOf };
      const answer = await api.answer(question, (text) => update(at, { text }));
      update(at, { answer, text: answer.text });
      return answer;
    } catch (error) {
      update(at, { error: messageOf(error) });
      return undefined;
    }
  }

  async function askAll(): Promise<void> {
    setBusy(true);
    setColumns(titles.map((title) => ({ title, text: "" })));
    const [, prompted, specialized] = await Promise.all([
      ask(0, base, undefined),
      prompt === "" ? undefined : ask(1, base, prompt),
      selected === undefined ? undefined : ask(2, modelOf(selected), undefined),
    ]);
    if (prompted !== undefined && specialized !== undefined) {
      // Asked at once they share the processor. What a question takes is known when it is asked alone.
      const alone = [await ask(1, base, prompt), await ask(2, modelOf(selected!), undefined)] as const;
      if (alone[0] !== undefined && alone[1] !== undefined) onAnswers(alone[0], alone[1]);
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
        {columns.map(({ title, text, answer, error }, i) => (
          <article key={title} class="answer" data-who={["base", "prompted", "specialized"][i]}>
            <h3>{title}</h3>
            {error === undefined ? <p class="text">{text}</p> : <p class="error">{error}</p>}
            {answer && (
              <p class="numbers">
                {answer.promptTokens} tokens read · {answer.ms.toFixed(0)} ms
                {answer.confidence === undefined ? "" : ` · ${(100 * answer.confidence).toFixed(0)} % sure`}
                {answer.rung === undefined ? "" : ` · answered by ${answeredBy[answer.rung] ?? answer.rung}`}
              </p>
            )}
          </article>
        ))}
      </div>
    </section>
  );
}
