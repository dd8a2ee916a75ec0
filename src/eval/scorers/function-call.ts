/** @file Calls of functions: the name alone, or name and arguments. */
import { isDeepStrictEqual } from "node:util";
import { type Call, callOf } from "../../data/function-call.ts";
import { quote, type Scorer, verdict } from "./scorer.ts";

const compare = (summary: string, judge: (said: Call, wanted: Call) => string | undefined): Scorer => ({
  summary,
  score({ answer, target }) {
    const [said, wanted] = [callOf(answer), callOf(target)];
    if (wanted === undefined) return { score: 0, reason: "the target is no call" };
    if (said === undefined) return { score: 0, reason: "no call" };
    const fault = judge(said, wanted);
    return verdict(fault === undefined, fault ?? "");
  },
});

const otherName = (said: Call, wanted: Call): string | undefined =>
  said.name === wanted.name ? undefined : `called ${quote(said.name)}`;

export const functionName = compare("the answer calls the target's function, with any arguments", otherName);

export const functionCall = compare(
  "the answer calls the target's function with its arguments, in any order",
  (said, wanted) =>
    otherName(said, wanted) ?? (isDeepStrictEqual(said.arguments, wanted.arguments) ? undefined : "other arguments"),
);
