/** @file What may be asked over HTTP: OpenAI's requests, as far as they are understood here. The same schemas make the OpenAPI document. */
import { z } from "zod";
import { AnswerSection, toolLimits, toolName as toolNamePattern } from "../../constraint/tools.ts";
import { SCORERS } from "../../eval/scorers/table.ts";
import { certifyLimits } from "../trust/certify.ts";

/** Longest texts, in characters, and most of what a list may hold. */
export const apiLimits = {
  text: 2 ** 20,
  messages: 1000,
  stops: 16,
  stopText: 1000,
  tools: toolLimits.tools,
  topLogprobs: 20,
  id: 200,
} as const;

const text = z.string().max(apiLimits.text);
const toolName = z.string().regex(toolNamePattern);
const Content = z.union([text, z.array(z.object({ type: z.literal("text"), text })).max(apiLimits.messages)]);

const ToolCall = z.object({
  id: z.string().min(1).max(apiLimits.id),
  type: z.literal("function"),
  function: z.object({ name: toolName, arguments: text.describe("JSON of an object") }),
});

const Message = z.discriminatedUnion("role", [
  z.object({ role: z.enum(["system", "developer", "user"]), content: Content }),
  z.object({
    role: z.literal("assistant"),
    content: Content.nullish(),
    tool_calls: z.array(ToolCall).max(apiLimits.tools).nullish(),
  }),
  z.object({ role: z.literal("tool"), content: Content, tool_call_id: z.string().max(apiLimits.id) }),
]);

/** What both kinds of requests share. */
const sampling = {
  model: z.string().describe("a specialisation's NAME or NAME@VERSION, or the base model"),
  temperature: z.number().min(0).max(100).nullish().describe("0, the default: always the likeliest token"),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(0).nullish().describe("draw from the k likeliest tokens; 0: all"),
  seed: z.int().nullish().describe("of the draws; 0 by default, so the same request has the same answer"),
  stop: z
    .union([
      z.string().min(1).max(apiLimits.stopText),
      z.array(z.string().min(1).max(apiLimits.stopText)).max(apiLimits.stops),
    ])
    .nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  user: z.string().nullish(),
};

const Tool = z.object({
  type: z.literal("function"),
  function: z.object({
    name: toolName,
    description: z.string().max(apiLimits.text).nullish(),
    parameters: z.record(z.string(), z.json()).nullish(),
    strict: z.boolean().nullish(),
  }),
});

export const ChatRequest = z.object({
  ...sampling,
  messages: z.array(Message).min(1).max(apiLimits.messages),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(apiLimits.topLogprobs).nullish(),
  response_format: z
    .discriminatedUnion("type", [
      z.object({ type: z.literal("text") }),
      z.object({ type: z.literal("json_object") }),
      z.object({
        type: z.literal("json_schema"),
        json_schema: z.object({
          name: z.string().nullish(),
          schema: z.record(z.string(), z.json()),
          strict: z.boolean().nullish(),
        }),
      }),
    ])
    .nullish(),
  tools: z.array(Tool).max(apiLimits.tools).nullish(),
  constraint_of: z
    .string()
    .nullish()
    .describe("NAME or NAME@VERSION: the answer keeps the form that this specialisation's answers have"),
  tool_choice: z
    .union([
      z.enum(["none", "auto", "required"]),
      z.object({ type: z.literal("function"), function: z.object({ name: z.string() }) }),
    ])
    .nullish(),
  parallel_tool_calls: z.boolean().nullish().describe("either way an answer has one call at most"),
});
export type ChatRequest = z.infer<typeof ChatRequest>;

export const cloudModelName = "cloud";
/** Of another host, whose names have prompts and constraints of their own. */
export const CloudRequest = ChatRequest.omit({ constraint_of: true }).extend({
  model: z.literal(cloudModelName),
  constraint: AnswerSection.nullish().describe(
    "the form that the answer keeps, as a specialisation's file says it, or one of tools",
  ),
});
export type CloudRequest = z.infer<typeof CloudRequest>;

export const CompletionRequest = z.object({
  ...sampling,
  prompt: z.union([text, z.array(text).length(1)]),
  max_tokens: z.int().min(0).nullish(),
  logprobs: z.int().min(0).max(apiLimits.topLogprobs).nullish(),
  echo: z.literal(false).nullish(),
});
export type CompletionRequest = z.infer<typeof CompletionRequest>;

export type Sampled = Pick<CompletionRequest, "temperature" | "top_p" | "top_k" | "seed" | "stop">;

/**
 * Keys that would change an answer and are not understood, of OpenAI's API and of the servers that add to it (vLLM, llama.cpp), each with the
 * values that change nothing. An empty list or object changes nothing either.
 */
export const neutral: Readonly<Record<string, readonly unknown[]>> = {
  n: [1],
  best_of: [1],
  presence_penalty: [0],
  frequency_penalty: [0],
  logit_bias: [],
  functions: [],
  function_call: [],
  audio: [],
  web_search_options: [],
  suffix: [""],
  repetition_penalty: [1],
  length_penalty: [1],
  repeat_penalty: [1],
  min_p: [0],
  typical_p: [1],
  mirostat: [0],
  min_tokens: [0],
  ignore_eos: [false],
  use_beam_search: [false],
  stop_token_ids: [],
  bad_words: [],
  allowed_token_ids: [],
  prompt_logprobs: [],
  guided_json: [],
  guided_regex: [],
  guided_choice: [],
  guided_grammar: [],
  structured_outputs: [],
  grammar: [""],
  json_schema: [],
  continue_final_message: [false],
};

const Name = z.string().describe("up to 64 small letters, digits, . _ -");
export const GatesRequest = z.strictObject({ prompt: text, truncate: z.enum(["middle", "left"]).optional() });
export const CertificateRequest = z.strictObject({
  examples: z
    .array(z.strictObject({ input: text, output: text }))
    .min(1)
    .max(certifyLimits.inputs)
    .optional()
    .describe("inputs with the answers that are right"),
  inputs: z
    .array(text)
    .min(1)
    .max(certifyLimits.inputs)
    .optional()
    .describe("inputs alone: held against the service's reference model, or else against the prompted edge model"),
  prompt: text
    .optional()
    .describe("the prompt that the specialisation stands for, so that the prompted model is asked too"),
  promptExamples: z
    .array(z.strictObject({ input: text, output: text }))
    .max(apiLimits.messages)
    .optional()
    .describe("the examples that the specialisation was made of, beside or in the place of a prompt"),
  scorer: z.enum(SCORERS).optional().describe("exact for labels, json-equal for JSON, else normalized"),
  threshold: z.number().min(0).max(1).optional().describe("the least score that may answer for the name"),
  refine: z
    .int()
    .min(certifyLimits.refineLeast)
    .max(certifyLimits.refineMost)
    .optional()
    .describe(
      "so many of the inputs are not measured: gates are refined on them where those predicted score too little",
    ),
  fallback: z
    .boolean()
    .optional()
    .describe(
      "the cheapest that scores the threshold answers, where that is not the specialisation; what it needs of the prompt's text is kept",
    ),
});
export const SpecializationRequest = z.strictObject({
  name: Name,
  prompt: text.describe("the system prompt; its text is not kept").optional(),
  examples: z
    .array(z.strictObject({ input: text, output: text }))
    .max(apiLimits.messages)
    .optional()
    .describe("questions with their answers, put behind the prompt"),
  options: z
    .strictObject({
      labels: z.array(z.string()).optional().describe("answers are one of these"),
      schema: z.json().optional().describe("answers are JSON of this schema"),
      constraint: z.literal(false).optional().describe("false: none, also where the prompt says one"),
      truncate: z
        .enum(["middle", "left"])
        .optional()
        .describe("a prompt that is too long is shortened there; without it such a prompt is refused"),
    })
    .optional(),
  certificate: CertificateRequest.omit({ prompt: true, promptExamples: true })
    .optional()
    .describe("measured in the background once the name is stored, as POST …/certificate does; the prompt is known"),
});
export const WhyRequest = z.strictObject({
  prompt: text.optional().describe("the prompt that the name stands for: each of its sentences is left out in turn"),
  promptExamples: z
    .array(z.strictObject({ input: text, output: text }))
    .max(apiLimits.messages)
    .optional()
    .describe("the examples that it was made of, beside or in the place of a prompt"),
});
export const AliasRequest = z.strictObject({ name: Name, target: z.string().describe("NAME or NAME@VERSION") });
export const RollbackRequest = z.strictObject({
  version: z.int().positive().optional().describe("the one before, where none is named"),
});
export const LoadAdapterRequest = z.object({
  lora_name: z.string(),
  lora_path: z.string().describe("below the folder of --adapters, relative to it or absolute"),
  load_inplace: z.boolean().nullish().describe("true: it may replace what has the name, as a new version"),
});
export const UnloadAdapterRequest = z.object({ lora_name: z.string() });
