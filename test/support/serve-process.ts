/** @file `loragen serve` as a process of its own on a free port, as a user starts it. `build` of `loragen.ts` comes first. */
import { type ChildProcess, spawn } from "node:child_process";
import { main } from "./loragen.ts";

export type ServeProcess = {
  readonly child: ChildProcess;
  readonly url: string;
  /** The signal that ended it, or its status. */
  readonly ended: Promise<NodeJS.Signals | number>;
};

type Options = {
  readonly env?: Readonly<Record<string, string>>;
  /** Arguments of Node itself. */
  readonly node?: readonly string[];
  /** Whether messages go between it and this process. */
  readonly ipc?: boolean;
};

/** Resolves when it answers. Without a page, without a line for each request, with one thread; what it says of errors goes to this process's stderr. */
export function startServe(
  flags: readonly string[],
  { env = {}, node = [], ipc = false }: Options = {},
): Promise<ServeProcess> {
  const always = ["--port", "0", "--threads", "1", "--quiet", "--no-playground"];
  const child = spawn(process.execPath, [...node, main, "serve", ...always, ...flags], {
    stdio: ["ignore", "pipe", "inherit", ...(ipc ? (["ipc"] as const) : [])],
    env: { ...process.env, ...env },
  });
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill); // nobody else would end it
  const ended = new Promise<NodeJS.Signals | number>((done) =>
    child.once("close", (status, signal) => {
      process.off("exit", kill);
      done(signal ?? status ?? 0);
    }),
  );
  return new Promise((done, fail) => {
    let text = "";
    child.stdout!.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
      const url = /^(http:\S+)\/v1 answers/.exec(text)?.[1];
      if (url !== undefined) done({ child, url, ended });
    });
    child.once("error", fail);
    void ended.then((how) => fail(new Error(`loragen serve ended by itself: ${how}`)));
  });
}
