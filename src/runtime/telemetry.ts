/** @file ONNX Runtime's telemetry is switched off: nobody asked for it, and where an argument of the process is long it ends the process. */

/**
 * Must come before the first session: the library looks once. It offers no other switch. This writes into the environment of this process and
 * reads nothing from it: the one exception to the rule that only the command line knows the environment.
 */
export function disableTelemetry(): void {
  process.env["ORT_DISABLE_TELEMETRY"] = "1";
}
