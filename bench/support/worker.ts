/** @file A measured program in a process of its own, asked line by line: ours and the peer's can take turns. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { AppError } from "../../src/base/errors.ts";

export type Answer = Readonly<Record<string, unknown>>;

export type Worker = AsyncDisposable & {
  readonly pid: number;
  /** Sends a command and waits for its answer. Throws E_RUNTIME where the program ends instead. */
  ask(command: string): Promise<Answer>;
  close(): Promise<void>;
};

/** Of what a program says to its error stream, the end is kept. */
export const keptErrorChars = 2000;

/**
 * Starts a program that reads commands from its standard input and answers each with one JSON object on a line. The first
 * line it writes, unasked, says that it is ready.
 * @returns the worker and what it said of itself
 */
export async function startWorker(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<{ worker: Worker; ready: Answer }> {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...environment } });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-keptErrorChars);
  });
  child.stdin.on("error", () => undefined); // the exit below says more
  const waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void }[] = [];
  const exited = new Promise<void>((resolve) => {
    const end = (what: string) => {
      for (const { reject } of waiting.splice(0))
        reject(new AppError("E_RUNTIME", `${program} ${args[0] ?? ""}: ${what}\n${errors.trim()}`));
      resolve();
    };
    child.on("error", (error) => end(error.message));
    child.on("close", (code, signal) => end(`ended with ${signal ?? code}`));
  });
  createInterface({ input: child.stdout }).on("line", (line) => waiting.shift()?.resolve(JSON.parse(line) as Answer));
  const answer = () => new Promise<Answer>((resolve, reject) => waiting.push({ resolve, reject }));
  const close = async () => {
    child.stdin.end();
    await exited;
  };
  const worker: Worker = {
    pid: child.pid!, // it says that it is ready before anybody sees this
    ask(command) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new AppError("E_RUNTIME", `${program}: ended before "${command}"\n${errors.trim()}`);
      const answered = answer();
      child.stdin.write(`${command}\n`);
      return answered;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
  return { worker, ready: await answer() };
}

/** The same for a TypeScript file of this project, run as this process is. */
export const startScript = (file: string, args: readonly string[]): ReturnType<typeof startWorker> =>
  startWorker(process.execPath, [...process.execArgv, file, ...args]);

/** A number of an answer. */
export function numberOf(answer: Answer, name: string): number {
  const value = answer[name];
  if (typeof value !== "number")
    throw new AppError("E_RUNTIME", `worker: expected a number "${name}", found ${JSON.stringify(answer)}`);
  return value;
}

/** The other side: answers commands until the input ends. */
export async function serve(
  ready: Answer,
  commands: Readonly<Record<string, () => Promise<Answer> | Answer>>,
): Promise<void> {
  const send = (answer: Answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
  send(ready);
  for await (const line of createInterface({ input: process.stdin })) {
    const command = commands[line.trim()];
    if (command === undefined) throw new Error(`internal: unknown command "${line}"`);
    send(await command());
  }
}
