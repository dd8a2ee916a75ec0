/** @file A system prompt to a specialisation file. Run: npx tsx examples/specialize.ts [PAIR] [FOLDER] */
import { loadPair, specialize, writeSpecialization } from "lora-gen";

const [directory = "pairs/smollm2", out = "work/examples/sentiment"] = process.argv.slice(2);

const pair = await loadPair(directory);
const specialization = await specialize(
  pair,
  "You read reviews of food products. Say whether the customer liked the food: Positive or Negative. Give just the label.",
);
const { file, bytes } = await writeSpecialization(out, specialization);

console.log(`${specialization.promptTokens} tokens of prompt became ${bytes} bytes: ${file}`);
for (const [layer, gates] of specialization.gates.entries())
  console.log(`layer ${layer}: ${gates.map((gate) => gate.toFixed(2)).join(" ")}`);
