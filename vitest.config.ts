import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/support/longest-first.ts";

const common = {
  // Limits that only a hang reaches, however busy the machine is: no test depends on timing.
  testTimeout: 600_000,
  hookTimeout: 600_000,
  // No module keeps state, and tests take back what they change: files share a process, which saves two seconds of loading for each.
  isolate: false,
  setupFiles: ["test/support/equal-numbers.ts"],
};

// One project per kind of test: `unit` and `fuzz` sit beside the source, `parity` compares with references, `e2e` runs commands.
export default defineConfig({
  resolve: { alias: { "#runtime": resolve(import.meta.dirname, "src/runtime/node.ts") } },
  test: {
    maxWorkers: availableParallelism() + 1, // some wait for processes that they started
    sequence: { sequencer: LongestFirst },
    globalSetup: "test/support/temporary-folder.ts",
    env: { LORAGEN_THREADS: process.env["LORAGEN_THREADS"] ?? "1" }, // workers share the processors
    coverage: {
      include: ["src/**/*.ts"],
      exclude: ["src/**/*.test.ts"],
      reporter: ["text-summary", "json-summary", "text"],
    },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["src/**/*.test.ts", "runs/**/*.test.ts", "test/*.test.ts"],
          exclude: ["**/*.fuzz.test.ts"],
          ...common,
        },
      },
      {
        extends: true,
        test: { name: "fuzz", include: ["src/**/*.fuzz.test.ts", "test/hostile/*.test.ts"], ...common },
      },
      { extends: true, test: { name: "parity", include: ["test/parity/**/*.test.ts"], ...common } },
      {
        extends: true,
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          globalSetup: ["test/support/temporary-folder.ts", "test/support/built-package.ts"],
          ...common,
        },
      },
    ],
  },
});
