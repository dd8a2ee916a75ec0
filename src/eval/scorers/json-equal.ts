/** @file The answer is JSON of the target's value: order of keys and white space do not matter. */
import { isDeepStrictEqual } from "node:util";
import { jsonOf } from "../../data/function-call.ts";
import { type Scorer, verdict } from "./scorer.ts";

export const jsonEqual: Scorer = {
  summary: "the answer is JSON and has the target's value",
  score({ answer, target }) {
    const [said, wanted] = [jsonOf(answer), jsonOf(target)];
    if (wanted === undefined) return { score: 0, reason: "the target is no JSON" };
    return verdict(isDeepStrictEqual(said, wanted), said === undefined ? "no JSON" : "another value");
  },
};
