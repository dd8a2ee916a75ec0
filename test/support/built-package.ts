/** @file The package is built once before the tests that run its commands, so that two of them never build at the same time. */
import { build } from "./loragen.ts";

export function setup(): void {
  build();
}
