/** @file Keys: who may ask what, and how much. Only their hashes are kept. */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { sha256 } from "../base/hash.ts";
import { Sha256 } from "../base/sha256.ts";
import { isName } from "./store/names.ts";

/** ask: chats and completions; read: names and what they stand for; write: make, change and remove them; metrics. */
export const scopes = ["ask", "read", "write", "metrics"] as const;
export type Scope = (typeof scopes)[number];

export const KeyFile = z.strictObject({
  format: z.literal("lora-gen keys 1"),
  keys: z.array(
    z.strictObject({
      name: z.string().min(1).max(100),
      sha256: Sha256,
      tenant: z.string().refine(isName, 'expected up to 64 small letters, digits, ".", "_" and "-"'),
      scopes: z.array(z.enum(scopes)).min(1),
      requestsPerMinute: z.int().positive().optional(),
    }),
  ),
});
export type KeyFile = z.infer<typeof KeyFile>;

/** Who asks. */
export type Caller = {
  readonly tenant: string;
  readonly scopes: readonly Scope[];
  /** Resolves when the key's limit has a request over beside the next one, which is then taken: for work in the background. */
  readonly turn: (signal?: AbortSignal) => Promise<void>;
};

export type Keys = {
  /** Before a request is let in: looks, once a second at most, whether the keys have changed. Never throws. */
  refresh(): Promise<void>;
  /** Throws E_DENIED for a key that is missing or unknown, E_FORBIDDEN for one not allowed this, E_BUSY beyond its limit. */
  admit(authorization: string | undefined, scope: Scope): Caller;
};

/** 256 random bits: too many to guess, so that a plain hash of them tells nothing. */
export const newKey = (): string => `lg-${randomBytes(32).toString("base64url")}`;

/** Everybody is one tenant that may do all: on one's own machine. */
export const noKeys: Keys = {
  refresh: async () => undefined,
  admit: () => ({ tenant: "main", scopes, turn: async () => undefined }),
};

/** How often work in the background looks whether its turn has come, and how often whether the keys have changed. */
const lookMs = 250;
const refreshMs = 1000;

type Known = KeyFile["keys"][number] & { readonly hash: Buffer; left: number; at: number };

export type KeysOptions = {
  readonly sleep?: (ms: number) => Promise<void>;
  /** The keys where they are others than they were when this was asked last; undefined where they are the same. */
  readonly changed?: (() => Promise<KeyFile | undefined>) | undefined;
  /** Told of what `changed` throws. The keys that were known go on to count. */
  readonly onBroken?: (error: unknown) => void;
};

/** @param now a clock in milliseconds */
export function createKeys(file: KeyFile, now: () => number, options: KeysOptions = {}): Keys {
  const { changed, onBroken = () => undefined } = options;
  const {
    sleep = (ms) =>
      new Promise((done) => {
        setTimeout(done, ms);
      }),
  } = options;
  let known = file.keys.map(knownOf);
  let lookedAt = now();
  let looking: Promise<void> | undefined;

  function knownOf(key: KeyFile["keys"][number]): Known {
    return { ...key, hash: Buffer.from(key.sha256, "hex"), left: key.requestsPerMinute ?? 0, at: now() };
  }
  /** A key that is what it was has what is left of its limit; work that waits for its turn goes on. */
  function replace({ keys }: KeyFile): void {
    const before = new Map(known.map((key) => [describe(key), key]));
    known = keys.map((key) => before.get(describe(key)) ?? knownOf(key));
  }
  async function look(): Promise<void> {
    try {
      const next = await changed?.();
      if (next !== undefined) replace(next);
    } catch (error) {
      onBroken(error);
    }
    looking = undefined;
  }

  /** Takes one request of a key's limit, if there are so many. */
  function take(key: Known, least: number): boolean {
    const perMinute = key.requestsPerMinute;
    if (perMinute === undefined) return true;
    const time = now();
    key.left = Math.min(perMinute, key.left + ((time - key.at) / 60_000) * perMinute);
    key.at = time;
    if (key.left < Math.min(least, perMinute)) return false;
    key.left--;
    return true;
  }

  return {
    async refresh() {
      if (changed === undefined) return;
      if (looking === undefined && now() - lookedAt >= refreshMs) {
        lookedAt = now();
        looking = look();
      }
      await looking;
    },
    admit(authorization, scope) {
      const [, given] = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(authorization ?? "") ?? [];
      if (given === undefined)
        throw new AppError("E_DENIED", 'key: expected a header "Authorization: Bearer KEY", found none');
      const hash = Buffer.from(sha256(given), "hex");
      // Every key is compared, each in constant time.
      const found = known.filter((key) => timingSafeEqual(key.hash, hash))[0];
      if (found === undefined) throw new AppError("E_DENIED", "key: not known here");
      if (!found.scopes.includes(scope))
        throw new AppError(
          "E_FORBIDDEN",
          `key: ${found.name} may not do this: expected the scope ${scope}, found ${found.scopes.join(", ")}`,
        );
      if (!take(found, 1))
        throw new AppError(
          "E_BUSY",
          `key: ${found.name} has asked ${found.requestsPerMinute} times within a minute, which is its limit`,
        );
      return {
        tenant: found.tenant,
        scopes: found.scopes,
        async turn(signal) {
          while (signal?.aborted !== true && !take(found, 2)) await sleep(lookMs);
        },
      };
    },
  };
}

const describe = ({ name, sha256, tenant, scopes, requestsPerMinute }: KeyFile["keys"][number]): string =>
  JSON.stringify([name, sha256, tenant, scopes, requestsPerMinute]);
