/** @file A tokenizer made of what `tokenizer.json` and `tokenizer_config.json` say. */
import { Tokenizer as HubTokenizer } from "@huggingface/tokenizers";
import { AppError } from "../base/errors.ts";
import { type ChatTemplates, chatTemplates } from "./chat-template.ts";
import {
  checkTokenizerConfig,
  checkTokenizerJson,
  type TokenizerJson,
  type TokenizerSettings,
} from "./tokenizer-json.ts";

export type Tokenizer = {
  /** One more than the largest token id. */
  readonly vocabSize: number;
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  /** The padding token, or where a tokenizer has none, its end token, or 0. */
  readonly padId: number;
  /** Ids of the special tokens by their text. */
  readonly specialTokens: ReadonlyMap<string, number>;
  /** `bos_token`, `eos_token`, … as chat templates name them. */
  readonly namedTokens: Readonly<Record<string, string>>;
  readonly chatTemplates: ChatTemplates;
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
  const { withSpecial, plain } = build(file, settings, name);
  const vocabulary = withSpecial.get_vocab(true);
  let vocabSize = 0;
  for (const id of vocabulary.values()) vocabSize = Math.max(vocabSize, id + 1);
  const idOf = (token: string | undefined): number | undefined =>
    token === undefined ? undefined : withSpecial.token_to_id(token);
  const bosId = idOf(settings.bosToken);
  const eosId = idOf(settings.eosToken);
  const padId = idOf(settings.padToken) ?? eosId ?? 0;
  const special = file.added_tokens.filter((token) => token.special === true);
  return {
    vocabSize,
    bosId,
    eosId,
    padId,
    specialTokens: new Map(special.map(({ content, id }) => [content, id])),
    namedTokens: namedTokens(settings),
    chatTemplates: chatTemplates(settings.chatTemplate, template, { name: configName, fileName: templateName }),
    encode(text, { addSpecial = false, parseSpecial = false } = {}) {
      const { ids } = (parseSpecial ? withSpecial : plain).encode(text, { add_special_tokens: addSpecial });
      const needsBos = addSpecial && settings.addBos && bosId !== undefined && ids[0] !== bosId;
      return needsBos ? [bosId, ...ids] : ids;
    },
    decode(ids, { skipSpecial = false } = {}) {
      for (const id of ids) {
        if (!(id >= 0 && id < vocabSize))
          throw new AppError("E_LIMIT", `token id: expected 0…${vocabSize - 1}, found ${id}`);
      }
      if (ids.length === 0) return "";
      return withSpecial.decode([...ids], { skip_special_tokens: skipSpecial, clean_up_tokenization_spaces: false });
    },
    tokenId: (token) => withSpecial.token_to_id(token),
    tokenText: (id) => withSpecial.id_to_token(id),
  };
}

function namedTokens({ bosToken, eosToken, padToken, unkToken }: TokenizerSettings): Record<string, string> {
  const all = { bos_token: bosToken, eos_token: eosToken, pad_token: padToken, unk_token: unkToken };
  return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** `plain` does not know the special tokens, so it cannot produce one from text. */
function build(
  file: TokenizerJson,
  settings: TokenizerSettings,
  name: string,
): { withSpecial: HubTokenizer; plain: HubTokenizer } {
  try {
    const withSpecial = new HubTokenizer(file, settings.raw);
    const ordinary = file.added_tokens.filter((token) => token.special !== true);
    const noModel = { type: "BPE", vocab: {}, merges: [] };
    const plain = new HubTokenizer({ ...file, added_tokens: ordinary, model: noModel }, settings.raw);
    plain.model = withSpecial.model; // which also knows the ids of what the post-processor adds
    const probe: number[] = plain.encode("a b", { add_special_tokens: true }).ids;
    if (probe.some((id) => !Number.isInteger(id))) throw new Error("pieces of a probe text that have no id");
    if (probe.length > 0) withSpecial.decode(probe);
    return { withSpecial, plain };
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    throw new AppError("E_FORMAT", `${name}: expected a tokenizer of a known kind, found: ${found}`, { cause });
  }
}
