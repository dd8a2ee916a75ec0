/** @file What the commands get from the outside: streams, clock, colours. Made once, passed in. */
import { homedir } from "node:os";
import { join } from "node:path";
import type { ResolveModel } from "../hub/resolve.ts";
import { hubResolver, hubSettings } from "./hub.ts";
import { type Colors, createTerminal, type OutputStream } from "./terminal.ts";

export type CliContext = {
  /** Results. */
  readonly stdout: OutputStream;
  /** Progress, warnings and errors. */
  readonly stderr: OutputStream;
  readonly stdin: NodeJS.ReadableStream;
  /** Whether a person sits at the other end. */
  readonly isTerminal: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean };
  /** For stdout: plain text where it is no terminal. */
  readonly colors: Colors;
  /** A clock in milliseconds. */
  readonly now: () => number;
  /** Whether unexpected errors show where they come from. */
  readonly debug: boolean;
  /** The user's own folder, where what is theirs alone lies. It may not be there yet. */
  readonly store: string;
  /** By which prompts are recognised, where several machines share it: 64 hexadecimal digits. The user's own otherwise. */
  readonly promptSecret?: string | undefined;
  /** Where buckets are, by the variables that Amazon's programs read. */
  readonly s3?: { readonly endpoint: string | undefined; readonly region: string | undefined } | undefined;
  /** Of the stronger model that certificates are held against. */
  readonly referenceKey?: string | undefined;
  /** Of another service that reads prompts. */
  readonly cloudKey?: string | undefined;
  /** Of a server of another tool, for `deploy`. */
  readonly deployKey?: string | undefined;
  /** What a user named a model by, to where it lies: a folder, a GGUF file, or an id of the hub. */
  readonly resolveModel: ResolveModel;
};

type Environment = Readonly<Record<string, string | undefined>>;

/** The context of the running process. */
export function nodeContext({ env = process.env as Environment } = {}): CliContext {
  const { stdin } = process;
  process.stdout.on("error", endOnFailedWrite);
  process.stderr.on("error", () => process.exit(1));
  const isTerminal = {
    stdin: stdin.isTTY === true,
    stdout: process.stdout.isTTY === true,
    stderr: process.stderr.isTTY === true,
  };
  const { stdout, stderr, colors } = createTerminal(process, { hasColors: wantsColors(env, isTerminal.stdout) });
  const now = () => performance.now();
  return {
    stdin,
    stdout,
    stderr,
    isTerminal,
    colors,
    now,
    debug: env["LORAGEN_DEBUG"] === "1",
    store: env["LORAGEN_HOME"] || join(env["XDG_DATA_HOME"] || join(homedir(), ".local", "share"), "loragen"),
    promptSecret: env["LORAGEN_PROMPT_SECRET"] || undefined,
    s3: {
      endpoint: env["AWS_ENDPOINT_URL_S3"] || env["AWS_ENDPOINT_URL"] || undefined,
      region: env["AWS_REGION"] || env["AWS_DEFAULT_REGION"] || undefined,
    },
    cloudKey: env["LORAGEN_CLOUD_KEY"] || undefined,
    deployKey: env["LORAGEN_DEPLOY_KEY"] || undefined,
    referenceKey: env["LORAGEN_REFERENCE_KEY"] || undefined,
    resolveModel: hubResolver(hubSettings(env, homedir()), { stderr, isTerminal, now }),
  };
}

/** NO_COLOR and FORCE_COLOR as other tools read them. */
export function wantsColors(env: Environment, isTerminal: boolean): boolean {
  if (env["NO_COLOR"]) return false;
  if (env["FORCE_COLOR"]) return env["FORCE_COLOR"] !== "0";
  return isTerminal && env["TERM"] !== "dumb";
}

/** `loragen … | head` closes the pipe early, which is no error; a full disk behind `> file` is one. */
function endOnFailedWrite(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit(0);
  process.stderr.write(`error E_IO: cannot write the output: ${error.message}\n`);
  process.exit(1);
}
