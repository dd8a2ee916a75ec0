/** @file A prompt becomes gates. */
import { useState } from "preact/hooks";
import type { OfferedFormat } from "../../src/server/downloads.ts";
import type { Api } from "../api.ts";
import { cloudMsOf, keepCloudMs } from "../kept.ts";
import { messageOf, type Selected } from "../state.ts";
import { describeConstraint } from "./constraint.ts";
import { Downloads } from "./downloads.tsx";
import { GatesMap } from "./gates-map.tsx";
import { WhyPart } from "./why.tsx";

export type PromptPanelProps = {
  readonly api: Api;
  readonly prompt: string;
  readonly onPrompt: (prompt: string) => void;
  readonly exports: readonly OfferedFormat[];
  readonly selected: Selected | undefined;
  readonly onSelect: (selected: Selected) => void;
};

export function PromptPanel({ api, prompt, onPrompt, exports, selected, onSelect }: PromptPanelProps) {
  const [name, setName] = useState("my-task");
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string>();

  async function specialize(): Promise<void> {
    setBusy(true);
    setError(undefined);
    try {
      const { version, object, cloudMs } = await api.specialize(name, prompt);
      if (cloudMs !== null) keepCloudMs(object, cloudMs);
      const { content } = await api.version(name, version);
      onSelect({ name, version, object, content });
    } catch (failure) {
      setError(messageOf(failure));
    }
    setBusy(false);
  }

  const cloudMs = selected && cloudMsOf(selected.object);
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
            {cloudMs === undefined ? "" : `The cloud model took ${cloudMs.toFixed(0)} ms.`}
          </p>
          {selected.content.unlike && (
            <p id="unlike">
              The prompt is unlike those of the training: try it on inputs of yours before you trust it.
            </p>
          )}
          <p id="constraint">{describeConstraint(selected.content)}</p>
          <GatesMap gates={selected.content.gates} experts={selected.content.experts} />
          <WhyPart key={`${selected.name}@${selected.version}`} api={api} prompt={prompt} selected={selected} />
          <Downloads
            key={`${selected.name}@${selected.version}/downloads`}
            api={api}
            exports={exports}
            selected={selected}
          />
        </div>
      )}
    </section>
  );
}
