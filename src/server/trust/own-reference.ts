/** @file A stronger model that is opened in this process, whose answers a certificate is held against. */
import type { CloudSide } from "../sides.ts";
import { fitting } from "./asking.ts";
import { type ReferenceModel, referenceTokens } from "./reference.ts";

/** @param open what answers, opened when it is first asked */
export function ownReference(model: string, open: () => CloudSide): ReferenceModel {
  let side: CloudSide | undefined;
  return {
    model,
    async ask(prompt, input, signal) {
      side ??= open();
      const question = {
        ...{ conversation: { prompt, history: [], input }, constraint: undefined, sampled: {} },
        ...{ maxTokens: referenceTokens, logprobs: undefined, tenant: "reference", deadline: undefined, signal },
      };
      return (await fitting(() => side!.answer(question)))?.text.trim();
    },
    close: async () => side?.close(),
  };
}
