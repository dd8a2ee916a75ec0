/**
 * @file Draws what skills are trained on and asked:
 *   npx tsx runs/transformer2/data.ts [DATA = ../shared/data] [OUT = work/reproduce/transformer2/data]
 * writes a file for each task and one for the classifier, and says how large the splits are and what a constant answer gets.
 */
import { bestConstant } from "./draw.ts";
import { openFamilies } from "./families.ts";

const [data = "../shared/data", out = "work/reproduce/transformer2/data"] = process.argv.slice(2);

for (const { name, train, validation, test } of Object.values(await openFamilies(data, out))) {
  const { answer, share } = bestConstant(test);
  const sizes = `${train.length} train, ${validation.length} validation, ${test.length} test`;
  console.log(`${name}: ${sizes}; always ${JSON.stringify(answer)}: ${(100 * share).toFixed(1)} % of test`);
}
