/** @file `rv-12`: what an edge device has to hold, to fetch and to compute, for each way of answering. */
import { mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { readJsonFile } from "../../../src/base/json-file.ts";
import { mean } from "../../../src/eval/statistics.ts";
import { splitInstruction } from "../../../src/eval/tasks/gpt4tools.ts";
import { assembleLora } from "../../../src/pair/merge.ts";
import { PairFile, pairFileName } from "../../../src/pair/pair.ts";
import { loadPair } from "../../../src/pair/pair-file.ts";
import { encodeSpecialization, writeSpecialization } from "../../../src/pair/specialization-file.ts";
import { specialize } from "../../../src/pair/specialize.ts";
import { encodeInput, encodePrompted } from "../../../src/text/prompt.ts";
import { demoPrompt } from "../agent.ts";
import { EdgeSeen, type EdgeTask } from "../edge-task.ts";
import { number, paragraphs, table } from "../markdown.ts";
import { inOwnProcess } from "../own-process.ts";
import { table12Inference } from "../paper.ts";
import type { Budget, Context, Page } from "../row.ts";
import { oneSeed, pairOf } from "../shipped-pair.ts";

const repeats: Readonly<Record<Budget, number>> = { minutes: 1, hours: 3, full: 5 };
const maxTokens = 32;

/** Bytes of a file, or of all files of a folder. */
async function bytesOf(path: string): Promise<number> {
  if (!(await stat(path)).isDirectory()) return (await stat(path)).size;
  const names = await readdir(path);
  const sizes = await Promise.all(names.map((name) => bytesOf(join(path, name))));
  return sizes.reduce((sum, size) => sum + size, 0);
}

export async function edgePage(context: Context): Promise<Page> {
  const { budget, data, work, signal, tell } = context;
  const folder = pairOf("rv-12", context);
  const pair = await loadPair(folder);
  const { tokenizer, layout } = pair;
  const file = await readJsonFile(join(folder, pairFileName), PairFile);
  const model = join(folder, file.edge);
  const { system: prompt, input } = splitInstruction({ instruction: await demoPrompt(data) });
  const made = await specialize(pair, prompt);
  const specialization = join(work, "rv-12");
  await mkdir(work, { recursive: true });
  await writeSpecialization(specialization, made);
  const lora = [...assembleLora(pair, made).values()].reduce((sum, { a, b }) => sum + 4 * (a.length + b.length), 0);
  const [modelBytes, pool] = [await bytesOf(model), await bytesOf(join(folder, file.generator))];
  const [gates, text] = [encodeSpecialization(made).length, Buffer.byteLength(prompt)];
  const alone = encodeInput(tokenizer, layout, input);
  const both = encodePrompted(tokenizer, layout, { prompt, input });
  const asked = { pair: folder, model, prompt, specialization, maxTokens };
  const ways = [
    ["base", "edge", alone, modelBytes, 0],
    ["prompted", "edge", both, modelBytes, text],
    ["specialised here: gates", "specialised", alone, modelBytes + pool, gates],
    ["the cloud pass, once a prompt", "cloud", [], modelBytes + pool, text],
  ] as const satisfies readonly (readonly [string, EdgeTask["way"], readonly number[], number, number])[];
  const rows: string[][] = [];
  for (const [name, way, tokens, once, each] of ways) {
    const seen: EdgeSeen[] = [];
    for (let i = 0; i < repeats[budget]; i++) {
      const task: EdgeTask = { ...asked, way, tokens: [...tokens] };
      seen.push(await inOwnProcess("edge-memory.ts", task, { seen: EdgeSeen, id: "rv-12", signal }));
      tell(`rv-12: ${name}, ${i + 1} of ${repeats[budget]}`);
    }
    const of = (key: keyof EdgeSeen) => number(mean(seen.map((one) => one[key])), 0);
    const read = way === "cloud" ? made.promptTokens + made.layers : tokens.length;
    rows.push([name, megabytes(once), bytes(each), of("loadMs"), of("peakMb"), String(read), of("answerMs"), "0"]);
  }
  return {
    text: paragraphs(
      `Reviewers asked what the edge needs: memory, data, computing. Each way of answering in a process of its own, means of ${repeats[budget]}: peak resident memory of the whole process (Node included), milliseconds until the model is ready and milliseconds of one answer of at most ${maxTokens} tokens. The prompt is the agent's with 26 tools, the request a short one.`,
      table(
        [
          "way",
          "MB to fetch once",
          "bytes for each prompt",
          "ms to load",
          "peak MB",
          "tokens read",
          "ms of an answer",
          "labelled examples",
        ],
        rows,
      ),
      `What a device fetches to be specialised: the generator once (its folder is counted whole, though the edge needs its experts alone), and then ${bytes(gates)} bytes for each prompt. Without the experts it fetches the LoRA itself, ${megabytes(lora)} MB in fp32 for each prompt. The cloud pass may run on another machine. The process of the specialised model opens the whole pair: it maps the cloud model's file too, which is the edge model's own here.`,
      "No labelled example is needed for any of these ways once the pair is trained; examples in a prompt are read as any other words.",
      "What LoRA, LoRAMoE, MixLoRA, prefix tuning and the soft compressors train, hold and compute stands in [table12](table12.md), for shorter questions; LoraHub answers by one LoRA. What training the pair took: [the pair](../../pairs/smollm2/README.md#training).",
      "## The paper's rows (Qwen-1.5B, batch 8, an A100; table 12)",
      table(
        ["inference", "MiB", "seconds"],
        Object.entries(table12Inference).map(([name, { mib, seconds }]) => [name, mib, number(seconds, 2)]),
      ),
      oneSeed,
    ),
  };
}

const megabytes = (value: number): string => number(value / 1e6);
const bytes = (value: number): string => value.toLocaleString("en");
