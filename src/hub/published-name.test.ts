import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { type GgufField, openGguf } from "../files/gguf/read.ts";
import { writeGguf } from "../files/gguf/write.ts";
import { publishedName } from "./published-name.ts";

const root = mkdtempSync(join(tmpdir(), "published-name-"));
afterAll(() => rmSync(root, { recursive: true }));

async function gguf(name: string | undefined): Promise<string> {
  const path = join(root, "Small-1B.Q4_1.gguf");
  const fields = new Map<string, GgufField>([["general.architecture", { type: "string", value: "llama" }]]);
  if (name !== undefined) fields.set("general.name", { type: "string", value: name });
  await writeGguf(path, fields, []);
  await openGguf(path);
  return path;
}

test.each([
  ["its name", "Small 1B", "Small 1B"],
  ["an id of the hub", "owner/Small-1B", "owner/Small-1B"],
  ["a path of the machine it was made on", "/home/me/models/Small-1B", "Small-1B"],
  ["a path of another system", "C:\\models\\Small-1B", "Small-1B"],
  ["letters that command a terminal", "Small\u001b[2J\n1B", "Small [2J 1B"],
  ["a folder alone", "/home/me/", "Small-1B.Q4_1"],
  ["nothing but space", " ", "Small-1B.Q4_1"],
  ["no name", undefined, "Small-1B.Q4_1"],
])("a GGUF file that says %s: %j", async (_, says, name) => {
  expect(await publishedName(await gguf(says))).toBe(name);
});

test.each([
  ["the model that it was trained from", { _name_or_path: "owner/Small-1B" }],
  ["a path of the machine it was made on", { _name_or_path: "/home/me/Small-1B" }],
  ["no name", {}],
])("a folder whose config.json says %s is called as the folder is", async (_, config) => {
  const path = join(root, "folder");
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "config.json"), JSON.stringify(config));
  expect(await publishedName(path)).toBe("folder");
  expect(await publishedName(`${path}/`)).toBe("folder");
});

test("a model in Hugging Face's cache is called as on the hub, and a folder without a config by its own name", async () => {
  const path = join(root, "models--owner--Small-1B", "snapshots", "a".repeat(40));
  expect(await publishedName(path)).toBe("owner/Small-1B");
  expect(await publishedName(join(path, "Small-1B.gguf"))).toBe("owner/Small-1B");
  expect(await publishedName(join(root, "absent"))).toBe("absent");
});
