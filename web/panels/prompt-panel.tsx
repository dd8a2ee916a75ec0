/** @file A prompt becomes gates. */
import { useState } from "preact/hooks";
import type { Api } from "../api.ts";
import { messageOf, type Selected } from "../state.ts";
import { Downloads } from "./downloads.tsx";
import { GatesMap } from "./gates-map.tsx";
import { WhyPart } from "./why.tsx";

export type PromptPanelProps = {
  readonly api: Api;
  readonly prompt: string;
  readonly onPrompt: (prompt: string) => void;
  readonly selected: Selected | undefined;
  readonly onSelect: (selected: Selected) => void;
};

export function PromptPanel({ api, prompt, onPrompt, selected, onSelect }: PromptPanelProps) {
  const [name, setName] = useState("my-task");
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string>();

  async function specialize(): Promise<void> {
    setBusy(true);
    setError(undefined);
    try {
      const { version, cloudMs } = await api.specialize(name, prompt);
      onSelect({ name, version, content: await api.content(name, version), cloudMs: cloudMs ?? undefined });
    } catch (failure) {
      setError(messageOf(failure));
    }
    setBusy(false);
  }

  return (
    <section aria-labelledby="prompt-title">
      <h2 id="prompt-title">Prompt</h2>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void specialize();
        }}
      >
        <label>
          System prompt
          <textarea
            id="prompt"
            rows={6}
            required
            value={prompt}
            onInput={(event) => onPrompt(event.currentTarget.value)}
          />
        </label>
        <label>
          Name
          <input
            id="name"
            required
            pattern="[a-z0-9]([a-z0-9._\-]{0,62}[a-z0-9])?"
            title="small letters, digits, . _ -"
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <button id="specialize" type="submit" disabled={isBusy || prompt === ""}>
          {isBusy ? "The cloud model reads …" : "Specialise"}
        </button>
      </form>
      {error && (
        <p class="error" role="alert">
          {error}
        </p>
      )}
      {selected && (
        <div id="specialized" data-name={selected.name} data-version={selected.version}>
          <p>
            <b>
              {selected.name}@{selected.version}
            </b>{" "}
            stands for {selected.content.promptTokens} tokens of prompt.{" "}
            {selected.cloudMs === undefined ? "" : `The cloud model took ${selected.cloudMs.toFixed(0)} ms.`}
          </p>
          {selected.content.unlike && (
            <p id="unlike">
              The prompt is unlike those of the training: try it on inputs of yours before you trust it.
            </p>
          )}
          <p id="constraint">{constraintOf(selected)}</p>
          <GatesMap gates={selected.content.gates} experts={selected.content.experts} />
          <WhyPart key={`${selected.name}@${selected.version}`} api={api} prompt={prompt} selected={selected} />
          <Downloads key={`${selected.name}@${selected.version}`} api={api} selected={selected} />
        </div>
      )}
    </section>
  );
}

function constraintOf({ content: { constraint } }: Selected): string {
  if (constraint === undefined) return "Answers are free text.";
  if (constraint.kind === "labels") return `Answers are one of: ${constraint.labels.join(", ")}.`;
  if (constraint.kind === "calls")
    return `Answers call one of: ${constraint.functions.map(({ name, parameters }) => `${name}(${parameters.join(", ")})`).join("; ")}.`;
  return `Answers are JSON of this schema: ${JSON.stringify(constraint.schema)}`;
}
