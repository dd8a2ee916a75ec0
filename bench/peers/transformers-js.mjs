/**
 * @file Greedy answers of transformers.js over an exported ONNX directory, beside those of our own runtime.
 *
 * npm install --ignore-scripts --prefix FOLDER @huggingface/transformers
 * npx loragen export --specialization SPECIALIZATION --format onnx --out EXPORT
 * npx tsx bench/peers/transformers-js.mjs FOLDER EXPORT SPECIALIZATION [fp32|fp16|q8] [PAIR]
 */
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { demoFileOf, readDemoScenarios } from "../../src/cli/demo-scenarios.ts";
import { createAnswerer } from "../../src/pair/answer.ts";
import { loadPair } from "../../src/pair/pair-file.ts";
import { readSpecialization } from "../../src/pair/specialization-file.ts";
import { encodeInput } from "../../src/text/prompt.ts";

const [folder, exported, specializationPath, dtype = "fp32", pairFolder = "pairs/smollm2"] = process.argv.slice(2);
const maxTokens = 48;
const require = createRequire(join(resolve(folder), "package.json"));
const { AutoModelForCausalLM, AutoTokenizer, env } = await import(
  pathToFileURL(require.resolve("@huggingface/transformers"))
);
env.allowRemoteModels = false;
env.localModelPath = dirname(resolve(exported));
const name = basename(resolve(exported));
const tokenizer = await AutoTokenizer.from_pretrained(name);
const model = await AutoModelForCausalLM.from_pretrained(name, { dtype, device: "cpu" });

const pair = await loadPair(pairFolder);
const specialization = await readSpecialization(specializationPath, pair);
const answerer = await createAnswerer(pair, { specialization });
const scenarios = await readDemoScenarios(demoFileOf(pairFolder));
const inputs = scenarios.flatMap(({ samples }) => samples.map(({ input }) => input));

const counts = { prompts: inputs.length, samePromptIds: 0, sameAnswers: 0, tokens: 0 };
for (const input of inputs) {
  const ourIds = encodeInput(pair.tokenizer, pair.layout, input);
  const fed = tokenizer(pair.tokenizer.decode(ourIds), { add_special_tokens: false });
  const promptIds = fed.input_ids.tolist()[0].map(Number);
  if (promptIds.join() === ourIds.join()) counts.samePromptIds++;
  const output = await model.generate({ ...fed, max_new_tokens: maxTokens, do_sample: false });
  const ids = output.tolist()[0].slice(promptIds.length).map(Number);
  const text = tokenizer.decode(ids, { skip_special_tokens: true });
  const ours = await answerer.answer(input, { maxTokens });
  counts.tokens += ours.ids.length;
  if (text === ours.text) counts.sameAnswers++;
  else console.error(JSON.stringify({ input, theirs: text, ours: ours.text }));
}
await answerer.close();
console.log(JSON.stringify({ peer: `@huggingface/transformers ${env.version}`, dtype, ...counts }));
