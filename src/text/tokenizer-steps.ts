/** @file The four chains of a `tokenizer.json` (normalizer, pre-tokenizer, post-processor, decoder) as flat lists of typed steps, bounded. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { checkSchema } from "../base/json.ts";
import { regexLimits } from "./linear-regex.ts";

const flag = z.boolean().nullish();
const text = z.string().max(regexLimits.sourceLength);
const oneCharacter = z.string().regex(/^.$/su, "expected one character");
const count = z.int().min(0).max(1024);

export type Pattern = z.infer<typeof Pattern>;
const Pattern = z.union([z.object({ Regex: text }), z.object({ String: text })]);

export type SplitBehavior = z.infer<typeof SplitBehavior>;
const SplitBehavior = z.enum(["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]);

const type = <Name extends string, Shape extends z.ZodRawShape>(name: Name, shape: Shape) =>
  z.object({ type: z.literal(name), ...shape });
const replace = type("Replace", { pattern: Pattern, content: text });
/** Puts nothing in: what it says about its offsets is of no use here. */
const byteLevel = type("ByteLevel", { add_prefix_space: flag, use_regex: flag });

export type NormalizerStep = z.infer<typeof NormalizerStep>;
const NormalizerStep = z.discriminatedUnion("type", [
  type("BertNormalizer", { clean_text: flag, handle_chinese_chars: flag, strip_accents: flag, lowercase: flag }),
  type("Precompiled", {}),
  replace,
  type("NFC", {}),
  type("NFD", {}),
  type("NFKC", {}),
  type("NFKD", {}),
  type("Strip", { strip_left: flag, strip_right: flag }),
  type("StripAccents", {}),
  type("Lowercase", {}),
  type("Prepend", { prepend: text }),
]);

export type SplitStep = z.infer<typeof SplitStep>;
const SplitStep = z.discriminatedUnion("type", [
  type("BertPreTokenizer", {}),
  type("Whitespace", {}),
  type("WhitespaceSplit", {}),
  type("Metaspace", {
    replacement: oneCharacter.default("▁"),
    prepend_scheme: z.enum(["always", "first", "never"]).default("always"),
    add_prefix_space: flag,
    split: flag,
  }),
  byteLevel,
  type("Split", { pattern: Pattern, behavior: SplitBehavior.default("Isolated"), invert: flag }),
  type("Punctuation", { behavior: SplitBehavior.default("Isolated") }),
  type("Digits", { individual_digits: flag }),
  replace,
  type("FixedLength", { length: z.int().min(1).default(5) }),
]);

const placed = z.tuple([z.string(), z.int()]);
const TemplatePart = z.union([
  z.object({ SpecialToken: z.object({ id: z.string() }) }),
  z.object({ Sequence: z.object({ id: z.enum(["A", "B"]) }) }),
]);
export type PostStep = z.infer<typeof PostStep>;
const PostStep = z.discriminatedUnion("type", [
  type("TemplateProcessing", { single: z.array(TemplatePart) }),
  byteLevel,
  type("BertProcessing", { sep: placed, cls: placed }),
  type("RobertaProcessing", { sep: placed, cls: placed }),
]);

export type DecoderStep = z.infer<typeof DecoderStep>;
const DecoderStep = z.discriminatedUnion("type", [
  byteLevel,
  type("WordPiece", { prefix: text.default("##"), cleanup: flag }),
  type("Metaspace", { replacement: oneCharacter.default("▁") }),
  type("BPEDecoder", { suffix: text.default("</w>") }),
  type("CTC", { pad_token: text.default("<pad>"), word_delimiter_token: text.default("|"), cleanup: flag }),
  replace,
  type("Fuse", {}),
  type("Strip", { content: oneCharacter.default(" "), start: count.default(0), stop: count.default(0) }),
  type("ByteFallback", {}),
]);

export type Chains = {
  readonly normalizer: readonly NormalizerStep[];
  readonly pre_tokenizer: readonly SplitStep[];
  readonly post_processor: readonly PostStep[];
  readonly decoder: readonly DecoderStep[];
};

/** Sequences nest, but published files have one level of them. */
const MAX_DEPTH = 8;

type Chain = {
  readonly step: z.ZodType<Chains[keyof Chains][number]>;
  /** The key under which a "Sequence" lists its steps. */
  readonly nested: string;
  /** How many steps there may be, and how often a text may grow by all of them together; published files stay below a quarter of both. */
  readonly maxSteps: number;
  readonly maxGrowth: number;
};
const chains: { readonly [Name in keyof Chains]: Chain } = {
  normalizer: { step: NormalizerStep, nested: "normalizers", maxSteps: 64, maxGrowth: 256 },
  pre_tokenizer: { step: SplitStep, nested: "pretokenizers", maxSteps: 16, maxGrowth: 64 },
  post_processor: { step: PostStep, nested: "processors", maxSteps: 16, maxGrowth: 256 },
  decoder: { step: DecoderStep, nested: "decoders", maxSteps: 64, maxGrowth: 256 },
};

/** Parses the chains of a file; one that is absent has no steps. Throws E_FORMAT for an unknown or malformed step, E_LIMIT beyond the bounds. */
export function parseChains(file: { readonly [Name in keyof Chains]?: unknown }, what: string): Chains {
  const parsed = Object.entries(chains).map(([name, chain]) => [
    name,
    parseChain(file[name as keyof Chains], chain, `${what}: ${name}`),
  ]);
  return Object.fromEntries(parsed) as Chains;
}

function parseChain(value: unknown, { step: Step, nested, maxSteps, maxGrowth }: Chain, what: string) {
  const steps: Chains[keyof Chains][number][] = [];
  let growth = 1;
  function add(value: unknown, depth: number): void {
    if (depth > MAX_DEPTH) throw new AppError("E_LIMIT", `${what}: sequences nested deeper than ${MAX_DEPTH} levels`);
    const sequence = Sequence.safeParse(value);
    if (sequence.success) {
      const list = checkSchema(sequence.data[nested], z.array(z.unknown()), { what: `${what}: ${nested}` });
      for (const inner of list) add(inner, depth + 1);
      return;
    }
    const step = checkSchema(value, Step, { what });
    growth *= growthOf(step);
    if (steps.push(step) > maxSteps) throw new AppError("E_LIMIT", `${what}: more than ${maxSteps} steps`);
    if (growth > maxGrowth)
      throw new AppError("E_LIMIT", `${what}: may make a text ${growth} times as long, the limit is ${maxGrowth}`);
  }
  if (value !== null && value !== undefined) add(value, 1);
  return steps;
}
const Sequence = z.looseObject({ type: z.literal("Sequence") });

/** How many characters, or tokens, one may become: a few lines could ask for texts of gigabytes. */
function growthOf(step: Chains[keyof Chains][number]): number {
  switch (step.type) {
    case "Replace":
      return Math.max(1, step.content.length);
    case "Prepend":
      return Math.max(1, step.prepend.length);
    case "ByteLevel":
      return step.add_prefix_space === true ? 4 : 3; // the bytes of one UTF-16 unit as characters, a space before a piece
    case "Metaspace":
    case "BPEDecoder":
    case "WordPiece":
      return 2; // one before every piece
    case "TemplateProcessing":
      return Math.max(1, step.single.length);
    default:
      return 1;
  }
}
