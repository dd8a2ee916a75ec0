/** @file The values of a weight, for those who know it here. */
export { readWeight } from "../runtime/read-weight.ts";
