import { beforeAll, expect, test } from "vitest";
import { testTokenizer } from "../../test/support/tiny-pair.ts";
import { labelsSpec, schemaSpec } from "../constraint/spec.ts";
import { SPECIAL_TOKEN_LAYOUT } from "../text/prompt.ts";
import { loadTokenizer, type Tokenizer } from "../text/tokenizer-file.ts";
import { specializeWarnings } from "./specialize-warnings.ts";

let pair: { tokenizer: Tokenizer; layout: typeof SPECIAL_TOKEN_LAYOUT };
beforeAll(async () => {
  pair = { tokenizer: await loadTokenizer(testTokenizer), layout: SPECIAL_TOKEN_LAYOUT };
});

test("labels that begin alike are warned of, others not", () => {
  const warn = (...labels: string[]) => specializeWarnings(pair, "Name the topic of the text.", labelsSpec(labels));
  expect(warn("get_weather", "get_time")).toEqual([expect.stringMatching(/begin with the same token/)]);
  expect(warn("weather", "time")).toEqual([]);
  expect(specializeWarnings(pair, "Name the topic of the text.", schemaSpec({ type: "boolean" }))).toEqual([]);
});
