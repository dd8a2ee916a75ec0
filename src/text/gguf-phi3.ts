/**
 * @file What llama.cpp reads from a model's name: of one with "phi3" or "phi-3" in it, added tokens take in the white space behind them
 * (`llama_vocab::impl::load`, "set attributes by model/tokenizer/architecture name").
 */

const namesPhi3 = /phi-?3/i;
const keepsSpace = ["<unk>", "<s>", "<|endoftext|>"];
/** llama.cpp ends with an error where such a model has not all of these. */
const asked = ["</s>", ...keepsSpace];

/** Whether a token of a model so named takes in the white space behind it. */
export const stripsAsPhi3 = (name: string, hasToken: (token: string) => boolean, content: string): boolean =>
  namesPhi3.test(name) && asked.every(hasToken) && !keepsSpace.includes(content);

type Added = { readonly content: string; readonly rstrip?: boolean | null | undefined };

/** A name by which llama.cpp tokenises as the added tokens say: with "phi-3" in it where they are Phi 3's, without it elsewhere. */
export function nameAsPhi3(name: string, hasToken: (token: string) => boolean, added: readonly Added[]): string {
  const isPhi3 =
    asked.every(hasToken) && added.every(({ content, rstrip }) => (rstrip === true) === !keepsSpace.includes(content));
  if (isPhi3 === namesPhi3.test(name)) return name;
  return isPhi3 ? `${name} (phi-3)` : name.replace(/phi-?(?=3)/gi, (found) => `${found.slice(0, 3)} `);
}
