/** @file The names of the store: their versions, how two of them differ, and back to an earlier one. */
import { useState } from "preact/hooks";
import type { Api, StoredName } from "../api.ts";
import { messageOf, modelOf, type Selected } from "../state.ts";
import { DiffPart, type DiffPartProps, type Side } from "./diff.tsx";

export type VersionsPanelProps = {
  readonly api: Api;
  readonly names: readonly StoredName[];
  readonly onSelect: (selected: Selected) => void;
  readonly onChange: () => void;
};

export function VersionsPanel({ api, names, onSelect, onChange }: VersionsPanelProps) {
  const [error, setError] = useState<string>();
  const [compared, setCompared] = useState<DiffPartProps>();

  const run = (work: () => Promise<void>) => () => {
    setError(undefined);
    work().catch((failure: unknown) => setError(messageOf(failure)));
  };

  async function side(name: string, version: number): Promise<Side> {
    const model = modelOf({ name, version });
    const [{ content }, state] = await Promise.all([api.version(name, version), api.certificate(model)]);
    return { model, content, certificate: state?.certificate };
  }

  return (
    <section aria-labelledby="versions-title">
      <h2 id="versions-title">Versions</h2>
      {error && (
        <p class="error" role="alert">
          {error}
        </p>
      )}
      {names.length === 0 && <p>No prompt has been specialised yet.</p>}
      <ul id="names">
        {names.map((file) =>
          "aliasOf" in file ? (
            <li key={file.name}>
              {file.name} is another name of {file.aliasOf}
            </li>
          ) : (
            <li key={file.name}>
              <b>{file.name}</b>
              {file.versions.map(({ version, at }) => (
                <span key={version} class="version">
                  <button
                    type="button"
                    aria-pressed={version === file.current}
                    title={at}
                    onClick={run(async () => onSelect(await api.version(file.name, version)))}
                  >
                    @{version}
                  </button>
                  {version !== file.current && (
                    <>
                      <button
                        type="button"
                        class="quiet"
                        onClick={run(async () => {
                          const [from, to, diff] = await Promise.all([
                            side(file.name, version),
                            side(file.name, file.current),
                            api.diff(file.name, version, file.current),
                          ]);
                          setCompared({ from, to, diff });
                        })}
                      >
                        compare
                      </button>
                      <button
                        type="button"
                        class="quiet"
                        onClick={run(async () => {
                          await api.rollback(file.name, version);
                          onChange();
                        })}
                      >
                        go back to it
                      </button>
                    </>
                  )}
                </span>
              ))}
            </li>
          ),
        )}
      </ul>
      <div aria-live="polite">{compared && <DiffPart {...compared} />}</div>
    </section>
  );
}
