/** @file A specialisation to take away: its numbers, or weights for other tools. */
import { useState } from "preact/hooks";
import type { Api } from "../api.ts";
import { messageOf, type Selected } from "../state.ts";

export type DownloadsProps = { readonly api: Api; readonly selected: Selected };

const formats = { peft: "PEFT", gguf: "GGUF adapter", onnx: "ONNX" } as const;
type Format = keyof typeof formats;

export function Downloads({ api, selected: { name, version, content } }: DownloadsProps) {
  const [busy, setBusy] = useState<Format>();
  const [error, setError] = useState<string>();

  async function take(format: Format): Promise<void> {
    setBusy(format);
    setError(undefined);
    try {
      const { blob, file } = await api.download(name, version, format);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = file;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    } catch (failure) {
      setError(messageOf(failure));
    }
    setBusy(undefined);
  }

  return (
    <div aria-live="polite">
      <p>
        Take away:{" "}
        <a
          id="download"
          download={`${name}-${version}.json`}
          href={`data:application/json,${encodeURIComponent(JSON.stringify(content))}`}
        >
          its numbers (JSON)
        </a>{" "}
        {(Object.keys(formats) as Format[]).map((format) => (
          <button
            key={format}
            id={`download-${format}`}
            type="button"
            class="quiet"
            disabled={busy !== undefined}
            onClick={() => void take(format)}
          >
            {busy === format ? "is made and checked …" : formats[format]}
          </button>
        ))}
      </p>
      {error && <p class="error">{error}</p>}
    </div>
  );
}
