/** @file Errors as HTTP tells them, in OpenAI's form. */
import { AppError, type ErrorCode } from "../base/errors.ts";

type Told = { readonly status: 400 | 401 | 403 | 404 | 409 | 413 | 429 | 500 | 503 | 504; readonly type: string };
const bad: Told = { status: 400, type: "invalid_request_error" };
const broken: Told = { status: 500, type: "server_error" };

const told: Readonly<Record<ErrorCode, Told>> = {
  E_USAGE: bad,
  E_CONFIG: bad,
  E_FORMAT: bad,
  E_LIMIT: bad,
  E_PROMPT: bad,
  E_NOT_FOUND: { status: 404, type: "not_found_error" },
  E_MISMATCH: { status: 409, type: "conflict_error" },
  E_DENIED: { status: 401, type: "authentication_error" },
  E_FORBIDDEN: { status: 403, type: "permission_error" },
  E_BUSY: { status: 429, type: "rate_limit_error" },
  E_DEADLINE: { status: 504, type: "timeout_error" },
  E_INTERRUPTED: { status: 503, type: "server_error" },
  E_IO: { status: 503, type: "server_error" },
  E_SHAPE: broken,
  E_DTYPE: broken,
  E_ARCHITECTURE: broken,
  E_NAN: broken,
  E_RUNTIME: broken,
  E_DEVICE: broken,
  E_DATA: broken,
};

/** What of an error a caller may know: all of what was thrown on purpose, nothing of anything else. */
export function tellError(error: unknown): {
  readonly status: Told["status"];
  readonly body: { readonly error: { message: string; type: string; param: null; code: string } };
} {
  const { status, type } = error instanceof AppError ? told[error.code] : broken;
  const code = error instanceof AppError ? error.code : "E_INTERNAL";
  const message = error instanceof AppError ? error.message : "the service failed; its log says how";
  return { status, body: { error: { message, type, param: null, code } } };
}
