/** @file The contract of recipes: one file for each kind of training run. */
import type { z } from "zod";
import type { RunConfig } from "../config.ts";
import type { Job, Opening } from "../job.ts";

/** What `edgeKeys` name. */
export const edgeNames = { edge: "model", tokenizer: "tokenizer" } as const;

export type Recipe<Config extends RunConfig> = {
  /** Of its configuration. */
  readonly schema: z.ZodType<Config>;
  /** The keys that name a model or a tokenizer where they are texts: a path, or what a user calls it. */
  readonly names: { readonly [Key in keyof Config]?: "model" | "tokenizer" };
  /**
   * Reads all that the run needs. Throws before anything is written.
   * @param config with paths in the place of names
   * @param named as the user wrote it
   */
  open(config: Config, named: Config, opening?: Opening): Promise<Job>;
};
