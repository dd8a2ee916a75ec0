/** @file Accuracy of each method on a task of one's own. Run: npx tsx examples/eval.ts [PAIR] */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EvalTaskInput, runEval } from "lora-gen";

const task: EvalTaskInput = {
  name: "questions",
  systemPrompt: "Say whether the message ends with a question mark. Reply only with yes or no.",
  samples: [
    { input: "Where is my card?", target: "yes", choices: ["yes", "no"] },
    { input: "My card has not arrived.", target: "no", choices: ["yes", "no"] },
    { input: "Can I change my PIN?", target: "yes", choices: ["yes", "no"] },
    { input: "I want to change my PIN.", target: "no", choices: ["yes", "no"] },
  ],
};

const folder = await mkdtemp(join(tmpdir(), "lora-gen-"));
try {
  const file = join(folder, "questions.json");
  await writeFile(file, JSON.stringify(task));
  const report = await runEval({
    pairDirectory: process.argv[2] ?? "pairs/smollm2",
    taskFiles: [file],
    methods: ["base", "prompted", "specialized"],
  });
  console.table(report.strata["tasks"]!.methods);
} finally {
  await rm(folder, { recursive: true });
}
