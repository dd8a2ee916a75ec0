/** @file The models that answer: the edge model with its gates and, where it is to answer too, the cloud model as it is. */
import { AppError } from "../base/errors.ts";
import type { AnswerSpec } from "../constraint/tools.ts";
import type { EdgePair } from "../pair/pair.ts";
import type { Pair } from "../pair/pair-file.ts";
import { type Answered, answer, type OnPiece, type Question } from "./api/answers.ts";
import { type ConstraintCache, createConstraintCache } from "./api/constraints.ts";
import { type Conversation, encodeRead } from "./api/conversation.ts";
import { createPlainEngine, type Engine, type EngineOptions } from "./engine/engine.ts";

/** What computes answers, how text becomes its tokens, and constraints in these tokens. */
export type Side = {
  readonly engine: Engine;
  readonly texts: Pick<EdgePair, "tokenizer" | "layout" | "edge" | "confidenceTemperature">;
  readonly constraints: ConstraintCache;
};

export type CloudQuestion = Pick<Question, "sampled" | "maxTokens" | "logprobs" | "tenant" | "deadline" | "signal"> & {
  readonly conversation: Conversation;
  readonly constraint: AnswerSpec | undefined;
};

/** The cloud model as it is: on this machine, or on another host. */
export type CloudSide = {
  /** On another host. */
  readonly isRemote: boolean;
  /** Throws as `answer`; on another host as `postTo` too. */
  answer(question: CloudQuestion, onPiece?: OnPiece): Promise<Answered>;
  close(): Promise<void>;
};

/** Opened when it is first asked. */
export function cloudSide(
  { cloud, cloudTokenizer: tokenizer, cloudLayout: layout }: Pick<Pair, "cloud" | "cloudTokenizer" | "cloudLayout">,
  options: EngineOptions,
): CloudSide {
  const texts = { tokenizer, layout, edge: cloud };
  const constraints = createConstraintCache(texts);
  let opened: Promise<Engine> | undefined;
  let isEnding = false;
  const open = (): Promise<Engine> => {
    if (isEnding) throw new AppError("E_BUSY", "the service is ending: it takes no more requests");
    opened ??= createPlainEngine(cloud, options).catch((error: unknown) => {
      opened = undefined; // it is tried again by the next question
      throw error;
    });
    return opened;
  };
  return {
    isRemote: false,
    async answer({ conversation, constraint, ...asked }, onPiece) {
      const engine = await open();
      const question = {
        ...asked,
        ...encodeRead(texts, conversation),
        model: { id: "cloud" },
        constraint: constraint && constraints.compile(constraint),
      };
      return answer(engine, texts, question, onPiece);
    },
    async close() {
      isEnding = true;
      await opened?.then(
        (engine) => engine.close(),
        () => undefined, // told to whoever asked
      );
    },
  };
}
