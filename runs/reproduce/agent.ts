/** @file The agent of GPT4Tools as tasks of an evaluation: the demo's 26 tools in one prompt, and the tools of a prompt in another order. */
import { z } from "zod";
import { readJsonFile } from "../../src/base/json-file.ts";
import type { Rng } from "../../src/base/rng.ts";
import { EvalTask } from "../../src/data/eval-task.ts";
import type { FormOf } from "../../src/eval/tasks/benchmark.ts";
import { gpt4tools } from "../../src/eval/tasks/gpt4tools.ts";
import { drawRows } from "../../src/eval/tasks/suites.ts";
import { demoTools } from "./paper.ts";

const Tool = z.object({ name: z.string(), description: z.string() });
export const ToolsFile = z.object({ seen_tools: z.array(Tool), unseen_tools: z.array(Tool) });
const TemplatesFile = z.looseObject({ PROMPT_FORMAT: z.string() });

/** The paper spells a name or two of its own: by letters alone they are the same. */
const letters = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]/g, "");

/** The agent's prompt with the paper's 26 descriptions, and a short question. */
export async function demoPrompt(data: string): Promise<string> {
  const { seen_tools, unseen_tools } = await readJsonFile(`${data}/gpt4tools/tools.json`, ToolsFile);
  const { PROMPT_FORMAT } = await readJsonFile(`${data}/gpt4tools/templates.json`, TemplatesFile);
  const known = new Map([...seen_tools, ...unseen_tools].map((tool) => [letters(tool.name), tool]));
  const tools = demoTools.map((name) => known.get(letters(name))!);
  const values: Record<string, string> = {
    tool_descriptions: tools.map(({ name, description }) => `> ${name}: ${description}`).join("\n"),
    tool_names: tools.map(({ name }) => name).join(", "),
    chat_history: "",
    input: "Detect the faces in image/party.png",
  };
  return PROMPT_FORMAT.replaceAll(/\{(\w+)\}/g, (_, key: string) => values[key] ?? "");
}

export type AgentRow = { readonly instruction: string; readonly output: string };

/** Test rows in the order in which they are asked. */
export const agentRows = async (data: string, items: number): Promise<readonly AgentRow[]> =>
  (await drawRows({ benchmark: "gpt4tools", form: "written" }, { data, items })).asked as AgentRow[];

/** The tool that a trace calls first. */
export const toolOf = (trace: string): string | undefined => /^Action: (.*)$/m.exec(trace)?.[1]?.trim();

/** Rows under one system prompt, scored as the published task is. */
export function agentTask(name: string, systemPrompt: string, rows: readonly AgentRow[], seed = 1): EvalTask {
  const { citation, version, kind, forms } = gpt4tools;
  const { scorers, maxTokens, sampleOf } = forms.written as FormOf<AgentRow>;
  const samples = rows.map((row) => sampleOf(row)!);
  const asked = { scorers: [...scorers], maxTokens: maxTokens!, citation, version, samples };
  return EvalTask.parse({ name, seed, stratum: "agent", kind, systemPrompt, ...asked });
}

/** A system prompt with its tools in a drawn order: their definitions, and the list of their names. */
export function withToolsShuffled(system: string, rng: Rng): string {
  const definitions = system.match(/^> .*$/gm) ?? [];
  const drawn = rng.shuffle([...definitions]);
  const names = drawn.map((line) => line.slice(2, line.indexOf(":")));
  let next = 0;
  return system
    .replaceAll(/^> .*$/gm, () => drawn[next++]!)
    .replace(/(should be one of \[)[^\]]*\]/, (_, before: string) => `${before}${names.join(", ")}]`);
}
