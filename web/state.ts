/** @file What the panels share. */
import type { Content } from "./api.ts";

export type Selected = {
  readonly name: string;
  readonly version: number;
  /** The hash of the content. */
  readonly object: string;
  readonly content: Content;
};

/** As answers name it. */
export const modelOf = ({ name, version }: Pick<Selected, "name" | "version">): string => `${name}@${version}`;

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export const countOf = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;
