/** @file A tokenizer made of what `tokenizer.json` and `tokenizer_config.json` say. */
import { AppError } from "../base/errors.ts";
import { chatTemplates, type TemplateTokens } from "./chat-template.ts";
import { type Budget, createBudget } from "./search-budget.ts";
import { createFinder, type Section } from "./tokenizer-added.ts";
import { createDecoder } from "./tokenizer-decode.ts";
import {
  type AddedToken,
  checkTokenizerConfig,
  checkTokenizerJson,
  type TokenizerJson,
  type TokenizerSettings,
} from "./tokenizer-json.ts";
import { createModel } from "./tokenizer-model.ts";
import { createNormalizer } from "./tokenizer-normalize.ts";
import { createPatterns } from "./tokenizer-patterns.ts";
import { createPostProcessor } from "./tokenizer-post.ts";
import { createSplitter } from "./tokenizer-split.ts";

export type Tokenizer = TemplateTokens & {
  /** One more than the largest token id. */
  readonly vocabSize: number;
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  /** The padding token, or where a tokenizer has none, its end token, or 0. */
  readonly padId: number;
  /** Ids of the special tokens by their text. */
  readonly specialTokens: ReadonlyMap<string, number>;
  /**
   * Token ids of a text. `addSpecial` adds what the tokenizer puts around a text (usually the begin token).
   * `parseSpecial` reads special tokens written in the text as such; without it, text can never become one.
   */
  encode(text: string, options?: { addSpecial?: boolean; parseSpecial?: boolean }): number[];
  decode(ids: readonly number[], options?: { skipSpecial?: boolean }): string;
  tokenId(token: string): number | undefined;
  /** A token as the vocabulary spells it, or undefined. */
  tokenText(id: number): string | undefined;
};

type Sources = {
  readonly name?: string;
  readonly configName?: string;
  /** The text of `chat_template.jinja`, where there is one. */
  readonly template?: string | undefined;
  readonly templateName?: string;
};

/** Builds a tokenizer from the two parsed JSON files. Throws E_FORMAT, E_LIMIT. */
export function createTokenizer(
  json: unknown,
  config: unknown = {},
  {
    name = "tokenizer.json",
    configName = "tokenizer_config.json",
    template,
    templateName = "chat_template.jinja",
  }: Sources = {},
): Tokenizer {
  const file = checkTokenizerJson(json, name);
  const settings = checkTokenizerConfig(config, configName);
  const pipeline = guarded(name, () => createPipeline(file, settings, name));
  const { idOf, textOf, vocabSize } = pipeline;
  const named = (token: string | undefined) => (token === undefined ? undefined : idOf(token));
  const bosId = named(settings.bosToken);
  const eosId = named(settings.eosToken);
  const special = file.added_tokens.filter((token) => token.special === true);
  return {
    vocabSize,
    bosId,
    eosId,
    padId: named(settings.padToken) ?? eosId ?? 0,
    specialTokens: new Map(special.map(({ content, id }) => [content, id])),
    namedTokens: namedTokens(settings),
    chatTemplates: chatTemplates(settings.chatTemplate, template, { name: configName, fileName: templateName }),
    encode(text, { addSpecial = false, parseSpecial = false } = {}) {
      if (text.length > MAX_TEXT_LENGTH)
        throw new AppError("E_LIMIT", `text: ${text.length} characters, the limit is ${MAX_TEXT_LENGTH}`);
      const ids = guarded(name, () => pipeline.encode(text, parseSpecial));
      const around = addSpecial ? pipeline.surround(ids) : ids;
      return addSpecial && settings.addBos && bosId !== undefined && around[0] !== bosId
        ? [bosId, ...around]
        : [...around];
    },
    decode(ids, { skipSpecial = false } = {}) {
      for (const id of ids) {
        if (!(id >= 0 && id < vocabSize))
          throw new AppError("E_LIMIT", `token id: expected 0…${vocabSize - 1}, found ${id}`);
      }
      return ids.length === 0 ? "" : guarded(name, () => pipeline.decode(ids, skipSpecial));
    },
    tokenId: idOf,
    tokenText: textOf,
  };
}

/** One text that is encoded; a prompt may have a sixteenth of it. */
const MAX_TEXT_LENGTH = 2 ** 24;
/** What looking for added tokens in normalised text may cost: characters of theirs × steps that each goes through. */
const MAX_NORMALIZING = 2 ** 26;

type Pipeline = {
  readonly vocabSize: number;
  idOf(token: string): number | undefined;
  textOf(id: number): string | undefined;
  encode(text: string, parseSpecial: boolean): readonly number[];
  surround(ids: readonly number[]): readonly number[];
  decode(ids: readonly number[], skipSpecial: boolean): string;
};

/** The steps of Hugging Face's tokenizers: added tokens, normaliser, added tokens of normalised text, pre-tokenizer, model. */
function createPipeline(file: TokenizerJson, settings: TokenizerSettings, what: string): Pipeline {
  const { chains, added_tokens: added } = file;
  const model = createModel(file.model, `${what}: model`);
  const patterns = createPatterns(what);
  const normalize = createNormalizer(chains.normalizer, { compile: patterns.compile, what });
  const normalizing = patterns.steps() + chains.normalizer.length;
  const split = createSplitter(chains.pre_tokenizer, patterns.compile);
  const contents = new Set(added.map(({ content }) => content));
  const decoder = createDecoder(chains.decoder, { compile: patterns.compile, added: contents });
  const special = new Set([
    ...settings.specialTokens,
    ...added.filter((t) => t.special === true).map((t) => t.content),
  ]);

  const isNormalized = ({ normalized, special }: AddedToken) =>
    chains.normalizer.length > 0 && (normalized ?? special !== true);
  const inNormalized = added.filter(isNormalized);
  const cost = inNormalized.reduce((sum, { content }) => sum + content.length + 1, 0) * normalizing;
  if (cost > MAX_NORMALIZING)
    throw new AppError("E_LIMIT", `${what}: ${inNormalized.length} added tokens are too many for this normaliser`);
  /** With special tokens, and without: text that is not to be parsed for them cannot become one. */
  const find = [false, true].map((withSpecial) => {
    const wanted = (token: AddedToken) => withSpecial || token.special !== true;
    const before = added.filter((token) => !isNormalized(token) && wanted(token));
    const normalized = createFinder(
      inNormalized.filter(wanted),
      ({ content }) => normalize(content, createBudget(content, what)),
      what,
    );
    return { raw: createFinder(before, ({ content }) => content, what), normalized };
  });

  const texts: (string | undefined)[] = [];
  for (const [token, id] of model.ids) texts[id] = token;
  for (const { id, content } of added) texts[id] = content;
  const addedIds = new Map(added.map(({ content, id }) => [content, id]));
  const idOf = (token: string) => addedIds.get(token) ?? model.ids.get(token);
  const requireId = (token: string): number => {
    const id = idOf(token) ?? model.unknownId;
    if (id === undefined)
      throw new AppError(
        "E_FORMAT",
        `${what}: expected a token for every text, found none for a piece of one, and no unknown token`,
      );
    return id;
  };

  /** `find` in a text, and `then` in what lies between. */
  const between = (
    sections: readonly Section[],
    then: (text: string, isFirst: boolean) => readonly number[],
    isFirst = true,
  ): readonly number[] =>
    sections.flatMap((section, i) => (typeof section === "string" ? then(section, isFirst && i === 0) : section.id));
  const encodeWords = (text: string, isFirst: boolean, budget: Budget) =>
    model.encode(split(text, { isFirst, budget }), budget).map(requireId);

  const surround = createPostProcessor(chains.post_processor, requireId);
  return {
    vocabSize: texts.length,
    idOf,
    textOf: (id) => texts[id],
    surround,
    encode(text, parseSpecial) {
      const { raw, normalized } = find[parseSpecial ? 1 : 0]!;
      const budget = createBudget(text, what);
      const words = (word: string, isFirst: boolean) => encodeWords(word, isFirst, budget);
      return between(raw(text, budget), (section, isFirst) =>
        between(normalized(normalize(section, budget), budget), words, isFirst),
      );
    },
    decode(ids, skipSpecial) {
      const tokens = ids.map((id) => texts[id] ?? file.model.unk_token ?? "");
      const wanted = skipSpecial ? tokens.filter((token) => !special.has(token)) : tokens;
      const text = decoder(wanted, createBudget(wanted.join(""), what));
      const suffix = file.model.end_of_word_suffix;
      if (suffix == null || suffix === "" || chains.decoder.length === 0) return text;
      const spaced = text.replaceAll(suffix, " ");
      return skipSpecial ? spaced.trim() : spaced;
    },
  };
}

/** What the language itself refuses (a text too long, a call too deep) is a limit like any other. */
function guarded<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new AppError("E_LIMIT", `${what}: more text than can be held (${cause.message})`, { cause });
  }
}

function namedTokens({ bosToken, eosToken, padToken, unkToken }: TokenizerSettings): Record<string, string> {
  const all = { bos_token: bosToken, eos_token: eosToken, pad_token: padToken, unk_token: unkToken };
  return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
