/** @file Builds the playground that `loragen serve` shows. Nothing in it is loaded from elsewhere. */
import { resolve } from "node:path";
import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  base: "/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: { target: "es2023", outDir: resolve(import.meta.dirname, "../dist/web"), emptyOutDir: true },
  // While it is worked on: `loragen serve` beside `vite web`.
  server: { proxy: { "/v1": { target: "http://127.0.0.1:8080", headers: { origin: "http://127.0.0.1:8080" } } } },
});
