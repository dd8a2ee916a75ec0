/** @file A specialisation to take away: its numbers, or weights for other tools, in the formats that the service offers. */
import { useState } from "preact/hooks";
import type { DownloadFormat, OfferedFormat } from "../../src/server/downloads.ts";
import type { Api } from "../api.ts";
import { messageOf, type Selected } from "../state.ts";

export type DownloadsProps = {
  readonly api: Api;
  readonly exports: readonly OfferedFormat[];
  readonly selected: Selected;
};

const titles: Readonly<Record<DownloadFormat, string>> = {
  peft: "PEFT adapter",
  gguf: "GGUF adapter",
  onnx: "ONNX, the whole model",
};

export function Downloads({ api, exports, selected: { name, version, content } }: DownloadsProps) {
  const [busy, setBusy] = useState<DownloadFormat>();
  const [error, setError] = useState<string>();

  async function take(format: DownloadFormat): Promise<void> {
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
    <div id="downloads" aria-live="polite">
      <h3>Take away</h3>
      <p>
        <a
          id="download"
          class="button"
          download={`${name}-${version}.json`}
          href={`data:application/json,${encodeURIComponent(JSON.stringify(content))}`}
        >
          Its numbers (JSON)
        </a>
        {exports.flatMap(({ format, refused }) =>
          refused === undefined
            ? [
                <button
                  key={format}
                  id={`download-${format}`}
                  type="button"
                  class="quiet"
                  disabled={busy !== undefined}
                  onClick={() => void take(format)}
                >
                  {busy === format ? "is made and checked …" : titles[format]}
                </button>,
              ]
            : [],
        )}
      </p>
      {exports.flatMap(({ format, refused }) =>
        refused === undefined
          ? []
          : [
              <p key={format} id={`refused-${format}`}>
                Not from here, {titles[format]}: {refused}.
              </p>,
            ],
      )}
      {error && <p class="error">{error}</p>}
    </div>
  );
}
