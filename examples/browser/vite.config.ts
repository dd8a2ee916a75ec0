/** @file Serves and builds the page. Nothing is loaded from elsewhere: ONNX Runtime's WebAssembly comes out of node_modules. */
import { resolve } from "node:path";
import { defineConfig } from "vite";

const source = (path: string) => resolve(import.meta.dirname, "../../src", path);

/** Threads need a page that shares memory with no other. */
const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

export default defineConfig({
  base: "./",
  appType: "mpa", // a file that is not there is not the page
  // Here the page runs on the sources; elsewhere it is enough to install lora-gen and onnxruntime-web.
  resolve: { alias: { "lora-gen/browser": source("browser.ts"), "#runtime": source("runtime/web.ts") } },
  // ONNX Runtime starts its threads from its own chunk, which must not import the page's: a thread has no `document`. It
  // asks for `require` where there is one; without this line the bundler puts a stand-in for it into the page's chunk.
  define: { require: "undefined" },
  optimizeDeps: { exclude: ["onnxruntime-web"] },
  server: { headers },
  preview: { headers },
  build: { target: "es2023", chunkSizeWarningLimit: 2000 },
});
