/** @file The names of the store: their versions, how two of them differ, and back to an earlier one. */
import { useState } from "preact/hooks";
import type { Api, Diff, StoredName } from "../api.ts";
import { messageOf, type Selected } from "../state.ts";

export type VersionsPanelProps = {
  readonly api: Api;
  readonly names: readonly StoredName[];
  readonly onSelect: (selected: Selected) => void;
  readonly onChange: () => void;
};

export function VersionsPanel({ api, names, onSelect, onChange }: VersionsPanelProps) {
  const [error, setError] = useState<string>();
  const [diff, setDiff] = useState<{ readonly title: string; readonly found: Diff }>();

  const run = (work: () => Promise<void>) => () => {
    setError(undefined);
    work().catch((failure: unknown) => setError(messageOf(failure)));
  };

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
                    onClick={run(async () => {
                      const content = await api.content(file.name, version);
                      onSelect({ name: file.name, version, content, cloudMs: undefined });
                    })}
                  >
                    @{version}
                  </button>
                  {version !== file.current && (
                    <>
                      <button
                        type="button"
                        class="quiet"
                        onClick={run(async () => {
                          const found = await api.diff(file.name, version, file.current);
                          setDiff({ title: `${file.name}@${version} and @${file.current}`, found });
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
      {diff && (
        <p id="diff">
          {diff.title}: {diff.found.gates.length} gates differ
          {diff.found.similarity === null ? "" : `, cosine ${diff.found.similarity.toFixed(3)}`};{" "}
          {diff.found.samePrompt === null
            ? "prompts cannot be compared"
            : diff.found.samePrompt
              ? "the same prompt"
              : "other prompts"}
          .
        </p>
      )}
    </section>
  );
}
