/** @file Servers that a specialisation is brought to: how each is told of an adapter, and asked. */
import type { ExportFormatName } from "../../export/formats.ts";
import type { RemoteOptions } from "../../server/remote.ts";

/** An adapter that a server has loaded, and nobody is answered by yet. */
export type Trial = {
  /** What requests send to be answered by it, once it is published. */
  readonly use: string;
  /** Continues a prompt by the likeliest tokens. */
  ask(ids: readonly number[], maxTokens: number): Promise<string>;
  /** Lets it answer, in the place of what had its name before. */
  publish(): Promise<void>;
  /** Takes away what was only there to be tried. */
  close(): Promise<void>;
};

export type Adapter = {
  readonly name: string;
  /** Where the server sees what was exported. */
  readonly path: string;
  /** Whether it is to answer all requests from now on, where the server has such a setting. */
  readonly isForAll: boolean;
};

export type Target = {
  readonly tool: string;
  readonly format: ExportFormatName;
  /** The file or folder of the export that the server loads. */
  readonly file: string;
  /** Loads the adapter to be tried. Throws E_NOT_FOUND with what to do where that takes a start of the server; E_USAGE, E_IO. */
  load(remote: RemoteOptions, adapter: Adapter, signal?: AbortSignal): Promise<Trial>;
};
