/** @file The Hugging Face hub as the environment describes it: where it is, where models are kept, who asks. */
import { join } from "node:path";
import { type Interrupt, onInterrupt } from "../base/interrupt.ts";
import { streamLogger } from "../base/log.ts";
import { createProgress } from "../base/progress.ts";
import { createModelResolver, type ResolveModel } from "../hub/resolve.ts";
import type { OutputStream } from "./terminal.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export type HubSettings = {
  readonly url: string;
  readonly cache: string;
  readonly token: string | undefined;
  readonly isOffline: boolean;
};

/** The variables of Hugging Face's own tools, so that models they downloaded are found. */
export function hubSettings(env: Environment, home: string): HubSettings {
  const given = (name: string) => env[name] || undefined;
  const caches = given("XDG_CACHE_HOME") ?? join(home, ".cache");
  const base = given("HF_HOME") ?? join(caches, "huggingface");
  return {
    url: given("HF_ENDPOINT") ?? "https://huggingface.co",
    cache: given("HF_HUB_CACHE") ?? join(base, "hub"),
    token: given("HF_TOKEN")?.trim(),
    isOffline: /^(1|true|yes|on)$/i.test(given("HF_HUB_OFFLINE") ?? ""),
  };
}

type Surroundings = {
  readonly stderr: OutputStream;
  readonly isTerminal: { readonly stderr: boolean };
  /** A clock in milliseconds. */
  readonly now: () => number;
};

/** Looks up what a user named; downloads show on stderr, and Ctrl-C stops them: what came is kept. */
export function hubResolver(
  settings: HubSettings,
  { stderr, isTerminal, now }: Surroundings,
  listen: () => Interrupt = onInterrupt,
): ResolveModel {
  return async (name, part) => {
    const interrupt = listen();
    try {
      const resolve = createModelResolver({
        ...settings,
        log: streamLogger(stderr),
        progress: (total, label) =>
          createProgress({ stream: stderr, isTerminal: isTerminal.stderr, total, label, now }),
        signal: interrupt.signal,
      });
      return await resolve(name, part);
    } finally {
      interrupt.close();
    }
  };
}
