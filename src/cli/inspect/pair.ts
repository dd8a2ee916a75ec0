/** @file A pair explained: cloud model, edge model, generator and what they ship as. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { readJsonFile } from "../../base/json-file.ts";
import { loadPair } from "../../pair/pair-file.ts";
import { formatBytes, formatCount } from "../format.ts";
import { generatorFacts, summarizeGenerator } from "./generator.ts";
import { facts, type Inspection } from "./inspection.ts";
import { modelFacts, summarizeModel } from "./model.ts";

const PairParts = z.looseObject({ generator: z.string().default("generator") });

/** Opens the whole pair, so that what does not fit together is found. */
export async function inspectPair(directory: string): Promise<Inspection> {
  const warnings: string[] = [];
  // The summary says where known prompts are stale, which refuses whoever uses the pair.
  const pair = await loadPair(directory, { readKnown: false, warn: (message) => warnings.push(message) });
  const [cloud, edge] = [await summarizeModel(pair.cloud), await summarizeModel(pair.edge)];
  const generator = await summarizeGenerator(await generatorFolder(directory), pair.cloud);
  const bytes = await folderBytes(directory);
  const { name, layout, tokenizer } = pair;
  return {
    json: {
      kind: "pair",
      name,
      directory,
      bytes,
      tokenizer: { vocab: tokenizer.vocabSize },
      layout: layout.kind,
      cloud,
      edge,
      generator,
      warnings,
    },
    lines: (colors) => [
      colors.bold(`${directory}: the pair "${name}", ${formatBytes(bytes)}`),
      "",
      `cloud model  ${formatCount(cloud.parameters)} parameters; reads the system prompt, once`,
      ...facts(modelFacts(cloud), "  "),
      "",
      `edge model   ${formatCount(edge.parameters)} parameters; answers`,
      ...facts(modelFacts(edge), "  "),
      "",
      `generator    ${formatCount(generator.parameters)} parameters; prompt to gates, gates to LoRA weights`,
      ...facts(generatorFacts(generator), "  "),
      "",
      `tokenizer    ${tokenizer.vocabSize} tokens; prompts are set apart by ${layout.kind === "plain" ? "words" : "special tokens"}`,
      ...warnings.map((warning) => `\n${colors.bold("warning")}      ${warning}`),
    ],
  };
}

async function folderBytes(directory: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(directory, { recursive: true })) {
    const found = await stat(join(directory, name)).catch(() => undefined); // a link may lead nowhere
    if (found?.isFile()) bytes += found.size;
  }
  return bytes;
}

const generatorFolder = async (directory: string): Promise<string> =>
  join(directory, (await readJsonFile(join(directory, "pair.json"), PairParts)).generator);
