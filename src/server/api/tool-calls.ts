/** @file Calls of tools in the text of an answer, whole or piece by piece: `{"name": "pay", "arguments": {"amount": 3}}`. */
import { isJson } from "../../base/json.ts";
import { openingOf } from "../../constraint/tools.ts";

export type Call = { readonly name: string; readonly arguments: string };

/** What is certain of an answer: its text, or the call that it is, the name first. */
export type Part = { readonly kind: "text" | "name" | "arguments"; readonly text: string };

export type CallReader = {
  read(piece: string): readonly Part[];
  /** What was held back of it. */
  end(isCut: boolean): readonly Part[];
};

const withoutSpace = (text: string): string => text.replace(/^[\t\n\r ]+/, "");

/** The call that an answer is; undefined for other text, and for a call that was cut off. */
export function callOf(text: string, names: readonly string[]): Call | undefined {
  const answer = withoutSpace(text);
  const name = names.find((each) => answer.startsWith(openingOf(each)));
  if (name === undefined || !isJson(answer)) return undefined;
  return { name, arguments: answer.slice(openingOf(name).length, -1) };
}

/** Reads an answer as it comes: nothing is told before it is certain whether it calls one of the tools. */
export function callReader(names: readonly string[]): CallReader {
  let held = "";
  let is: "open" | "text" | "call" = names.length === 0 ? "text" : "open";
  function take(): Part[] {
    if (is === "open") {
      const answer = withoutSpace(held);
      const name = names.find((each) => answer.startsWith(openingOf(each)));
      if (name !== undefined) {
        is = "call";
        held = answer.slice(openingOf(name).length);
        return [{ kind: "name", text: name }, ...take()];
      }
      if (names.some((each) => openingOf(each).startsWith(answer))) return [];
      is = "text";
    }
    // The last bracket of a call is none of its arguments'.
    const certain = is === "call" && held.endsWith("}") ? held.slice(0, -1) : held;
    held = held.slice(certain.length);
    return is === "call" && certain === "" ? [] : [{ kind: is === "call" ? "arguments" : "text", text: certain }];
  }
  return {
    read(piece) {
      held += piece;
      return take();
    },
    end(isCut) {
      if (held === "" || (is === "call" && !isCut)) return [];
      return [{ kind: is === "call" ? "arguments" : "text", text: held }];
    },
  };
}
