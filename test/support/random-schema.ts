/** @file Random JSON schemas of the kinds that a constraint keeps. */
import type { JsonValue } from "../../src/base/json.ts";
import type { Rng } from "../../src/base/rng.ts";

const keys = ["name", "city", "n", "a b", 'quo"te', "ключ", "list", "</s>"];
const constants: readonly JsonValue[] = ["red", "dark green", 7, -2.5, true, null, "é\n", '"', "</s>"];

/** At most `depth` levels deep. */
export function randomSchema(rng: Rng, depth = 3): JsonValue {
  return rng.pick(depth > 0 ? [...simple, ...nested] : simple)(rng, depth);
}

type Make = (rng: Rng, depth: number) => JsonValue;

const simple: readonly Make[] = [
  (rng) => ({ type: "string", maxLength: 1 + rng.int(30) }),
  (rng) => ({ type: "string", minLength: rng.int(4) }),
  () => ({ type: "integer" }),
  (rng) => {
    const minimum = rng.int(2000) - 1000;
    return { type: "integer", minimum, maximum: minimum + rng.int(5000) };
  },
  () => ({ type: "number" }),
  () => ({ type: ["boolean", "null"] }),
  (rng) => ({ type: "string", format: rng.pick(["date", "time", "date-time", "uuid"]) }),
  (rng) => ({ enum: rng.shuffle([...constants]).slice(0, 1 + rng.int(5)) }),
  (rng) => ({ const: rng.pick(constants), description: "one" }),
];

const nested: readonly Make[] = [
  (rng, depth) => {
    const minItems = rng.int(3);
    return { type: "array", items: randomSchema(rng, depth - 1), minItems, maxItems: minItems + rng.int(3) };
  },
  (rng, depth) => {
    const names = rng.shuffle([...keys]).slice(0, rng.int(5));
    const properties = Object.fromEntries(names.map((key) => [key, randomSchema(rng, depth - 1)]));
    return { type: "object", properties, required: names.filter(() => rng.int(2) === 0), additionalProperties: false };
  },
  (rng, depth) => ({ anyOf: Array.from({ length: 1 + rng.int(3) }, () => randomSchema(rng, depth - 1)) }),
];
