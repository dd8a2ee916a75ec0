import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { TrainConfig } from "./recipes/table.ts";

/** Described in docs/models.md. */
const elsewhere = ["layout", "cloudLayout"];

/** Every key of a JSON schema's objects, alternatives included. */
function keysOf(schema: unknown): Set<string> {
  const found = new Set<string>();
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit);
    else if (typeof value === "object" && value !== null) {
      const { properties, ...rest } = value as { properties?: Record<string, unknown> };
      for (const [key, property] of Object.entries(properties ?? {})) {
        found.add(key);
        if (!elsewhere.includes(key)) visit(property);
      }
      Object.values(rest).forEach(visit);
    }
  };
  visit(schema);
  return found;
}

const page = readFileSync(join(import.meta.dirname, "../../docs/training.md"), "utf8");

test("docs/training.md names every key of a configuration", () => {
  const keys = keysOf(z.toJSONSchema(TrainConfig, { io: "input", unrepresentable: "any" }));
  expect(keys.size).toBeGreaterThan(60);
  expect([...keys].filter((key) => !page.includes(`\`${key}\``))).toEqual([]);
});

test("the configurations it shows are valid", () => {
  const shown = [
    ...page.matchAll(
      /```json\n(\{"kind": "(?:language-model|generator|lora|svf|adapter|reinforce|loramoe|mixlora|prefix|compressor)".*?)```/gs,
    ),
  ].map(([, json]) => json!);
  expect(shown).toHaveLength(8);
  for (const json of shown) expect(() => TrainConfig.parse(JSON.parse(json))).not.toThrow();
});
