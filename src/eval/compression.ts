/** @file How much shorter a compressed prompt makes what a model reads: always printed beside the time, which it is not. */

/**
 * Tokens read before compression over tokens read after it, the user's input on both sides (LoRA-Gen, rebuttal, table 23:
 * (266 + 51) / (0 + 51) = 6.22).
 * @param residual tokens that stay in the prompt's place, 0 where it is in the weights
 */
export const compressionRatio = ({
  prompt,
  input,
  residual = 0,
}: {
  readonly prompt: number;
  readonly input: number;
  readonly residual?: number;
}): number => (prompt + input) / (residual + input);
