/** @file A program that runs to its end: installing and compiling what peers need. */
import { spawn } from "node:child_process";
import { AppError } from "../../src/base/errors.ts";
import { keptErrorChars } from "./worker.ts";

/** Throws E_RUNTIME with the end of what it said where it fails or is not there. */
export function runCommand(program: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => {
      errors = (errors + chunk.toString()).slice(-keptErrorChars);
    });
    child.on("error", (cause) => reject(new AppError("E_RUNTIME", `${program}: ${cause.message}`, { cause })));
    child.on("close", (code) =>
      code === 0
        ? resolve()
        : reject(new AppError("E_RUNTIME", `${program} ${args.join(" ")}: ended with ${code}\n${errors.trim()}`)),
    );
  });
}
