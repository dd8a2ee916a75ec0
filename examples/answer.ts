/** @file Answer by a specialisation, without the prompt. Run: npx tsx examples/answer.ts [PAIR] */
import { answer, createAnswerer, loadPair, specialize } from "lora-gen";

const pair = await loadPair(process.argv[2] ?? "pairs/smollm2");
const prompt =
  "Find the intent of a message about music, books, films, restaurants and the weather. Give the bare label.";
const specialization = await specialize(pair, prompt);

// One answer: everything is opened and closed around it.
const { text, inputTokens } = await answer(pair, "play something by Nina Simone", { specialization, maxTokens: 32 });
console.log(`specialised, ${inputTokens} tokens read: ${text}`);

// Many answers: the model stays open, text is streamed.
await using answerer = await createAnswerer(pair, { specialization });
for (const input of ["will it rain in Porto tomorrow", "book a table for two at a sushi bar"]) {
  const onText = (piece: string) => process.stdout.write(piece);
  await answerer.answer(input, { maxTokens: 32, onText });
  process.stdout.write("\n");
}

// The same model with the prompt in front, for comparison.
const prompted = await answer(pair, "play something by Nina Simone", { prompt, maxTokens: 32 });
console.log(`prompted, ${prompted.inputTokens} tokens read: ${prompted.text}`);
