/** @file What a demo asks: system prompts, inputs and the answers they should get. A pair brings its own, in `demo.json`. */
import { join } from "node:path";
import { z } from "zod";
import { readJsonFile } from "../base/json-file.ts";

const text = (most: number) => z.string().min(1).max(most);

const DemoScenarios = z
  .array(
    z.strictObject({
      name: text(64),
      title: text(200),
      prompt: text(2 ** 16),
      samples: z
        .array(z.strictObject({ input: text(2 ** 14), expected: text(2 ** 12) }))
        .min(1)
        .max(100),
    }),
  )
  .min(1)
  .max(50);

export type DemoScenario = z.infer<typeof DemoScenarios>[number];
export type DemoSample = DemoScenario["samples"][number];

/** Where a pair has its demo. */
export const demoFileOf = (pair: string): string => join(pair, "demo.json");

/** Throws E_NOT_FOUND, E_IO, E_LIMIT or E_FORMAT, naming the file. */
export const readDemoScenarios = (path: string): Promise<DemoScenario[]> => readJsonFile(path, DemoScenarios);
