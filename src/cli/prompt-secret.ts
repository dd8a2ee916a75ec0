/**
 * @file The secret by which a user's specialisations name their prompts: made once, kept in the user's own folder. Machines that share a store
 * are given the same one.
 */
import { randomBytes } from "node:crypto";
import { link, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../base/errors.ts";
import { readFileBounded } from "../base/read-file.ts";
import type { CliContext } from "./context.ts";
import { warnOn } from "./output.ts";

const secretFileName = "prompt-secret";
const secretBytes = 32;

/**
 * The secret; made where there is none. Undefined, with a warning, where none can be kept. Throws E_FORMAT, E_LIMIT for a damaged one, E_CONFIG
 * for a wrong one of the environment.
 */
export async function promptSecret(
  context: Pick<CliContext, "store" | "stderr" | "promptSecret">,
): Promise<Uint8Array | undefined> {
  if (context.promptSecret !== undefined) return parseSecret(context.promptSecret);
  const path = join(context.store, secretFileName);
  try {
    return (await readSecret(path)) ?? (await makeSecret(context.store, path));
  } catch (error) {
    if (error instanceof AppError && (error.code === "E_FORMAT" || error.code === "E_LIMIT")) throw error;
    warnOn(context)(
      `${path}: cannot keep a secret there (${(error as Error).message}); the specialisation is anonymous`,
    );
    return undefined;
  }
}

function parseSecret(text: string): Uint8Array {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, "hex");
  throw new AppError(
    "E_CONFIG",
    `LORAGEN_PROMPT_SECRET: expected ${2 * secretBytes} hexadecimal digits, as "openssl rand -hex ${secretBytes}" makes them, found ${text.length} characters`,
  );
}

async function readSecret(path: string): Promise<Uint8Array | undefined> {
  try {
    const secret = await readFileBounded(path, 2 * secretBytes);
    if (secret.length === secretBytes) return secret;
    throw new AppError(
      "E_FORMAT",
      `${path}: expected ${secretBytes} bytes, found ${secret.length}; remove it to have a new one`,
    );
  } catch (error) {
    if (error instanceof AppError && error.code === "E_NOT_FOUND") return undefined;
    throw error;
  }
}

/** Whoever of several comes first makes it: it appears whole or not at all. */
async function makeSecret(store: string, path: string): Promise<Uint8Array | undefined> {
  await mkdir(store, { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await writeFile(temporary, randomBytes(secretBytes), { mode: 0o600, flag: "wx" });
    await link(temporary, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(temporary, { force: true });
  }
  return readSecret(path);
}
