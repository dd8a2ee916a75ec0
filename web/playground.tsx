/** @file The whole page: a prompt, what it became, and how it answers. */
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { createApi, type Service, type StoredName } from "./api.ts";
import type { Question } from "./ledger.ts";
import { AskPanel } from "./panels/ask-panel.tsx";
import { CertificatePanel } from "./panels/certificate-panel.tsx";
import { CostPanel } from "./panels/cost-panel.tsx";
import { PromptPanel } from "./panels/prompt-panel.tsx";
import { VersionsPanel } from "./panels/versions-panel.tsx";
import { messageOf, modelOf, type Selected } from "./state.ts";
import { useCertificate } from "./use-certificate.ts";

export function Playground() {
  const [key, setKey] = useState("");
  const [prompt, setPrompt] = useState("");
  const [input, setInput] = useState("");
  const [selected, setSelected] = useState<Selected>();
  /** Of prompts that were specialised on this page, by the hash of what became of them. */
  const [prompts, setPrompts] = useState<Readonly<Record<string, string>>>({});
  const [questions, setQuestions] = useState<readonly Question[]>([]);
  const [service, setService] = useState<Service>();
  const [names, setNames] = useState<readonly StoredName[]>([]);
  const [error, setError] = useState<string>();
  const api = useMemo(() => createApi(key), [key]);
  const current = useRef(api);
  current.current = api;
  const view = useCertificate(api, selected);

  /** What is told by another key than the one that stands there by then is left alone. */
  const refresh = useCallback(async (): Promise<void> => {
    try {
      const found = [await api.service(), await api.names()] as const;
      if (current.current !== api) return;
      setService(found[0]);
      setNames(found[1]);
      setError(undefined);
    } catch (failure) {
      if (current.current === api) setError(messageOf(failure));
    }
  }, [api]);
  useEffect(() => void refresh(), [refresh]);

  /** Another key may be another tenant's: of its names none is shown, and nothing of what they stand for. */
  function changeKey(next: string): void {
    setKey(next);
    setSelected(undefined);
    setNames([]);
  }

  /** Not where the key has changed since it was asked for. */
  function select(version: Selected): void {
    if (current.current !== api) return;
    setSelected(version);
    void refresh();
  }

  function specialized(made: Selected): void {
    setPrompts((all) => ({ ...all, [made.object]: prompt }));
    select(made);
  }

  /** A version of the store, with the prompt that it stands for where this page knows it. */
  function choose(version: Selected): void {
    setPrompt((typed) => prompts[version.object] ?? typed);
    select(version);
  }

  const base = service?.base;
  const ofSelected = questions.filter((each) => each.object === selected?.object && each.prompt === prompt);
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
            onChange={(event) => changeKey(event.currentTarget.value)}
          />
        </label>
        {error && (
          <p class="error" role="alert">
            {error}
          </p>
        )}
      </header>
      <PromptPanel
        api={api}
        prompt={prompt}
        onPrompt={setPrompt}
        exports={service?.exports ?? []}
        selected={selected}
        onSelect={specialized}
      />
      <AskPanel
        key={selected && modelOf(selected)}
        api={api}
        base={base ?? ""}
        prompt={prompt}
        input={input}
        onInput={setInput}
        selected={selected}
        onAsked={(question) => setQuestions((all) => [...all, question])}
      />
      <CertificatePanel prompt={prompt} selected={selected} view={view} />
      <CostPanel selected={selected} questions={ofSelected} certificate={view.certificate} />
      <VersionsPanel key={key} api={api} names={names} onSelect={choose} onChange={() => void refresh()} />
    </main>
  );
}
