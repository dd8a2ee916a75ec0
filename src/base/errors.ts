/** @file The one error class: a stable code, and a message that says what was expected and what was found. */

/** Every code a user can meet. Codes never change meaning; new ones are added. */
export type ErrorCode =
  | "E_USAGE" // a flag, argument or option that does not make sense
  | "E_CONFIG" // a configuration file that does not fit its schema
  | "E_NOT_FOUND" // a file or folder that is not there
  | "E_IO" // reading or writing failed (permissions, full disk, …)
  | "E_FORMAT" // a file that is not what its name claims: truncated, malformed, hostile
  | "E_LIMIT" // an input beyond a named limit
  | "E_SHAPE" // tensors whose shapes do not fit each other
  | "E_DTYPE" // tensors or files of a type that is not supported there
  | "E_ARCHITECTURE" // a model family that is not supported
  | "E_PROMPT" // an empty or over-long system prompt
  | "E_MISMATCH" // a specialisation, generator or checkpoint made for other weights
  | "E_NAN" // a number that is not finite where one must be
  | "E_INTERRUPTED" // stopped on request, in a resumable state
  | "E_RUNTIME" // ONNX Runtime refused a graph or a run
  | "E_DEVICE" // a device that is not there, or whose libraries are not
  | "E_DATA" // a data set that is missing or lacks what a task needs; a damaged file of a service's store
  | "E_BUSY" // more is asked for at once than can be kept waiting, or the service is ending
  | "E_DEADLINE" // an answer that was not there in time
  | "E_DENIED" // a key that is missing or unknown
  | "E_FORBIDDEN"; // something that this key, or a page of another site, may not do

/** The only error thrown on purpose. Caught in two places: the command line's entry and the server's error handler. */
export class AppError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "AppError";
    this.code = code;
  }
}

/** Throws `internal: …` for states that cannot happen. */
export function unreachable(what: string): never {
  throw new Error(`internal: ${what}`);
}
