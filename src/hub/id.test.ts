import { expect, test } from "vitest";
import { formatHubId, parseHubId } from "./id.ts";

test.each<[string, object]>([
  ["Qwen/Qwen2-1.5B", { owner: "Qwen", name: "Qwen2-1.5B", revision: "main", file: undefined }],
  ["a/b@v1.0", { owner: "a", name: "b", revision: "v1.0", file: undefined }],
  ["a/b@refs/pr/3", { owner: "a", name: "b", revision: "refs/pr/3", file: undefined }],
  ["a/b:q/x.Q4_K_M.gguf", { owner: "a", name: "b", revision: "main", file: "q/x.Q4_K_M.gguf" }],
  ["a/b@v1:x.gguf", { owner: "a", name: "b", revision: "v1", file: "x.gguf" }],
])("%s names a model of the hub, and is written back as it was", (text, expected) => {
  const id = parseHubId(text)!;
  expect(id).toEqual(expected);
  expect(formatHubId(id)).toBe(text);
});

test.each([
  "a",
  "a/b/c",
  "./a/b",
  "/a/b",
  "../b",
  "a/..",
  "a/b@",
  "a/b@../x",
  "a/b@a//b",
  "a/b:../x.gguf",
  "a/b:x.bin",
  "a b/c",
  ".a/b",
  "",
])("%j does not", (text) => {
  expect(parseHubId(text)).toBeUndefined();
});
