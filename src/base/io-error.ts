/** @file What the operating system's error numbers mean to a user. */
import { AppError, type ErrorCode } from "./errors.ts";

type Access = "read" | "write";
type Meaning = Readonly<Record<Access, { code: ErrorCode; why: string }>>;

const same = (code: ErrorCode, why: string): Meaning => ({ read: { code, why }, write: { code, why } });
const denied: Meaning = {
  read: { code: "E_IO", why: "not readable (permission denied)" },
  write: { code: "E_IO", why: "not writable (permission denied)" },
};

const meanings: Readonly<Record<string, Meaning>> = {
  ENOENT: {
    read: { code: "E_NOT_FOUND", why: "not found" },
    write: { code: "E_IO", why: "the folder does not exist" },
  },
  ENOTDIR: {
    read: { code: "E_NOT_FOUND", why: "not found (part of the path is not a folder)" },
    write: { code: "E_IO", why: "part of the path is not a folder" },
  },
  EACCES: denied,
  EPERM: denied,
  EROFS: same("E_IO", "not writable (read-only file system)"),
  ENOSPC: same("E_IO", "disk full"),
  EDQUOT: same("E_IO", "disk full (quota reached)"),
  EFBIG: same("E_IO", "larger than the file system allows"),
  EISDIR: same("E_IO", "is a folder, expected a file"),
  EEXIST: same("E_IO", "is a file, expected a folder"),
  EMFILE: same("E_IO", "too many open files"),
  ENAMETOOLONG: same("E_IO", "the name is too long"),
  ELOOP: same("E_IO", "symbolic links form a loop"),
};

/** The user's error for a failed system call on `path`; errors that are no system errors come back unchanged. */
export function ioError(error: unknown, access: Access, path: string): unknown {
  if (error instanceof AppError || !(error instanceof Error)) return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (path.includes("\0"))
    return new AppError("E_IO", `${JSON.stringify(path)}: a path cannot hold a NUL`, { cause: error });
  if (typeof code !== "string" || typeof syscall !== "string") return error;
  const meaning = meanings[code]?.[access] ?? { code: "E_IO", why: error.message };
  const verb = access === "read" ? "cannot read" : "cannot write";
  return new AppError(meaning.code, `${verb} ${path}: ${meaning.why}`, { cause: error });
}
