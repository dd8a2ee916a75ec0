/** @file What pages are made from in tests: small data and a tiny pair in one folder, with the smallest budget, and nothing is trained. */
import { join } from "node:path";
import type { Context } from "./row.ts";

export const testContext = (folder: string, changes: Partial<Context> = {}): Context => ({
  budget: "minutes",
  data: join(folder, "data"),
  model: join(folder, "none"),
  pair: join(folder, "pair"),
  methods: [],
  noTraining: true,
  work: join(folder, "work"),
  tell: () => undefined,
  ...changes,
});
