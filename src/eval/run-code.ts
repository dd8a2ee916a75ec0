/**
 * @file Runs Python that a model wrote, in a process of its own: bounded in time, memory and files, without network where the system can take
 * it away. A guard against accidents and idle mischief, not against an attack: whoever allows it lets the program do what its user may.
 */
import { execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { AppError } from "../base/errors.ts";

export type CodeRun = {
  /** Whether the program came to its end without an error. */
  readonly passed: boolean;
  /** Why not; "passed" where it did. */
  readonly reason: string;
};

export type RunCode = (program: string) => Promise<CodeRun>;

export type CodeRunner = {
  readonly run: RunCode;
  /** Whether programs have no network and end with all that they started. */
  readonly isIsolated: boolean;
};

/** What a program may take, unless told otherwise. */
export const codeLimits = { timeMs: 10_000, memoryBytes: 2 ** 30, fileBytes: 2 ** 24 } as const;

type CodeLimits = { readonly timeMs?: number; readonly memoryBytes?: number };

/** Sets the limits, runs program.py, and repeats the word that it got: a program that ends early does not. */
const wrapper = `
import sys
word = sys.stdin.readline()
try:
    import resource
    for name, limit in zip(("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_CORE"), map(int, sys.argv[1:])):
        try:
            resource.setrlimit(getattr(resource, name), (limit, limit))
        except (AttributeError, OSError, ValueError):
            pass
except ImportError:
    pass
with open("program.py", encoding="utf-8") as file:
    source = file.read()
exec(compile(source, "program.py", "exec"), {"__name__": "__main__"})
sys.stdout.write("\\n" + word)
`;

/** Takes the network away, and ends all that was started when the first process ends. Linux, where users may have namespaces. */
const isolation = ["unshare", "--map-root-user", "--net", "--pid", "--fork", "--kill-child"] as const;

/**
 * Finds the interpreter and what the system can do.
 * @param python a command or a path
 * @throws E_USAGE where that is no Python 3
 */
export async function createCodeRunner(
  python: string,
  { timeMs = codeLimits.timeMs, memoryBytes = codeLimits.memoryBytes }: CodeLimits = {},
): Promise<CodeRunner> {
  const interpreter = await findInterpreter(python);
  const isIsolated = await succeeds(isolation[0], [...isolation.slice(1), "true"]);
  return {
    isIsolated,
    async run(program) {
      const folder = await mkdtemp(join(tmpdir(), "loragen-code-"));
      try {
        await writeFile(join(folder, "program.py"), program);
        const limits = [memoryBytes, Math.ceil(timeMs / 1000) + 1, codeLimits.fileBytes, 0];
        const command = [interpreter, "-I", "-c", wrapper, ...limits.map(String)];
        return await runIn(folder, isIsolated ? [...isolation, ...command] : command, timeMs);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

/** The interpreter itself: what a command names may be a script that needs the user's environment. */
async function findInterpreter(python: string): Promise<string> {
  const ask = "import sys; assert sys.version_info.major == 3; print(sys.executable)";
  try {
    return (await promisify(execFile)(python, ["-c", ask], { timeout: codeLimits.timeMs })).stdout.trim();
  } catch (error) {
    throw new AppError("E_USAGE", `expected Python 3 to run code with, found none as ${JSON.stringify(python)}`, {
      cause: error,
    });
  }
}

const succeeds = (command: string, parameters: readonly string[]): Promise<boolean> =>
  promisify(execFile)(command, [...parameters], { timeout: codeLimits.timeMs }).then(
    () => true,
    () => false,
  );

/** How much of the end of a program's output is kept. */
const keptCharacters = 4096;

function runIn(folder: string, [command, ...parameters]: readonly string[], timeMs: number): Promise<CodeRun> {
  const word = randomUUID();
  const env = { PATH: "/usr/bin:/bin", HOME: folder, TMPDIR: folder, LANG: "C.UTF-8" };
  const child = spawn(command!, parameters, { cwd: folder, env, detached: true });
  const [output, errors] = [keepEnd(child.stdout), keepEnd(child.stderr)];
  child.stdin.on("error", () => undefined); // it ended before it read
  child.stdin.end(word);
  return new Promise((resolve, reject) => {
    let isLate = false;
    const kill = () => {
      try {
        process.kill(-child.pid!, "SIGKILL");
      } catch {
        // it has ended
      }
    };
    const timer = setTimeout(() => {
      isLate = true;
      kill();
    }, timeMs);
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(new AppError("E_IO", `cannot run ${command}: ${error.message}`, { cause: error }));
    });
    child.on("exit", (code) => {
      clearTimeout(timer);
      kill(); // what it started, whose pipes would be waited for
      child.once("close", () => {
        const passed = !isLate && code === 0 && output().endsWith(word);
        resolve({ passed, reason: passed ? "passed" : reasonOf({ isLate, code, errors: errors() }, timeMs) });
      });
    });
  });
}

function keepEnd(stream: NodeJS.ReadableStream): () => string {
  let text = "";
  stream.setEncoding("utf8").on("data", (part: string) => {
    text = (text + part).slice(-keptCharacters);
  });
  return () => text;
}

type Ended = { readonly isLate: boolean; readonly code: number | null; readonly errors: string };

function reasonOf({ isLate, code, errors }: Ended, timeMs: number): string {
  if (isLate) return `took longer than ${timeMs / 1000} s`;
  if (code === 0) return "ended before its last line";
  const last = errors.trimEnd().split("\n").at(-1)!;
  return last === "" ? `was ended from outside (code ${code})` : last.slice(0, 200);
}
