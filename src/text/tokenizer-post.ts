/** @file What a tokenizer puts around the tokens of a text. */
import type { PostStep } from "./tokenizer-steps.ts";

type Surround = (ids: readonly number[]) => readonly number[];
type StepOf<Type extends PostStep["type"]> = Extract<PostStep, { type: Type }>;
type IdOf = (token: string) => number;

const framed = ({ cls, sep }: StepOf<"BertProcessing" | "RobertaProcessing">, idOf: IdOf): Surround => {
  const [begin, end] = [idOf(cls[0]), idOf(sep[0])];
  return (ids) => [begin, ...ids, end];
};

const steps: { readonly [Type in PostStep["type"]]: (step: StepOf<Type>, idOf: IdOf) => Surround } = {
  TemplateProcessing({ single }, idOf) {
    const parts = single.map((part) =>
      "SpecialToken" in part ? idOf(part.SpecialToken.id) : part.Sequence.id === "A" ? "text" : "other",
    );
    return (ids) => parts.flatMap((part) => (typeof part === "number" ? part : part === "text" ? ids : []));
  },
  ByteLevel: () => (ids) => ids,
  BertProcessing: framed,
  RobertaProcessing: framed,
};

/** All steps in order. `idOf` throws for a token that there is not. */
export function createPostProcessor(list: readonly PostStep[], idOf: IdOf): Surround {
  const changes = list.map((step) => (steps[step.type] as (step: PostStep, idOf: IdOf) => Surround)(step, idOf));
  return (ids) => changes.reduce((around, change) => change(around), ids);
}
