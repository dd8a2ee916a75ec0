/** @file The public API for the browser: nothing here needs Node. */

export { bestDevice, compile } from "./runtime/web.ts";
