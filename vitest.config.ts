import { defineConfig } from "vitest/config";

// One project per kind of test: `unit` sits beside the source, `parity` compares with references, `e2e` runs commands.
export default defineConfig({
  test: {
    testTimeout: 60_000,
    coverage: {
      include: ["src/**/*.ts"],
      exclude: ["src/**/*.test.ts"],
      reporter: ["text-summary", "json-summary", "text"],
    },
    projects: [
      { test: { name: "unit", include: ["src/**/*.test.ts", "test/*.test.ts"], testTimeout: 60_000 } },
      { test: { name: "parity", include: ["test/parity/**/*.test.ts"], testTimeout: 240_000, fileParallelism: false } },
      { test: { name: "e2e", include: ["test/e2e/**/*.test.ts"], testTimeout: 300_000, fileParallelism: false } },
    ],
  },
});
