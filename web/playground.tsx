/** @file The whole page: a prompt, what it became, and how it answers. */
import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { createApi, type StoredName } from "./api.ts";
import { AskPanel } from "./panels/ask-panel.tsx";
import { CertificatePanel } from "./panels/certificate-panel.tsx";
import { CostPanel, type Costs } from "./panels/cost-panel.tsx";
import { PromptPanel } from "./panels/prompt-panel.tsx";
import { VersionsPanel } from "./panels/versions-panel.tsx";
import { messageOf, modelOf, type Selected } from "./state.ts";

export function Playground() {
  const [key, setKey] = useState("");
  const [prompt, setPrompt] = useState("");
  const [input, setInput] = useState("");
  const [selected, setSelected] = useState<Selected>();
  const [costs, setCosts] = useState<Costs & { readonly of: Selected | undefined }>();
  const [base, setBase] = useState<string>();
  const [names, setNames] = useState<readonly StoredName[]>([]);
  const [error, setError] = useState<string>();
  const api = useMemo(() => createApi(key), [key]);

  const refresh = useCallback(async (): Promise<void> => {
    try {
      setBase(await api.base());
      setNames(await api.names());
      setError(undefined);
    } catch (failure) {
      setError(messageOf(failure));
    }
  }, [api]);
  useEffect(() => void refresh(), [refresh]);

  const select = (chosen: Selected): void => {
    setSelected(chosen);
    void refresh();
  };

  return (
    <main>
      <header>
        <h1>lora-gen</h1>
        <p>
          The cloud model reads a prompt once and answers with gates. The edge model then behaves as prompted, without
          the prompt. {base === undefined ? "" : `This service's base model is ${base}.`}
        </p>
        <label class="key">
          Key, if the service asks for one
          <input
            id="key"
            type="password"
            autocomplete="off"
            value={key}
            onChange={(event) => setKey(event.currentTarget.value)}
          />
        </label>
        {error && (
          <p class="error" role="alert">
            {error}
          </p>
        )}
      </header>
      <PromptPanel api={api} prompt={prompt} onPrompt={setPrompt} selected={selected} onSelect={select} />
      <AskPanel
        key={selected && modelOf(selected)}
        api={api}
        base={base ?? ""}
        prompt={prompt}
        input={input}
        onInput={setInput}
        selected={selected}
        onAnswers={(prompted, specialized) => setCosts({ of: selected, prompted, specialized })}
      />
      <CertificatePanel api={api} prompt={prompt} selected={selected} />
      <CostPanel selected={selected} costs={costs?.of === selected ? costs : undefined} />
      <VersionsPanel api={api} names={names} onSelect={select} onChange={() => void refresh()} />
    </main>
  );
}
