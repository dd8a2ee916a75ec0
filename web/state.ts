/** @file What the panels share. */
import type { Content } from "./api.ts";

export type Selected = {
  readonly name: string;
  readonly version: number;
  readonly content: Content;
  /** Of the cloud pass, where it was made for this page. */
  readonly cloudMs: number | undefined;
};

/** As answers name it. */
export const modelOf = ({ name, version }: Selected): string => `${name}@${version}`;

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
