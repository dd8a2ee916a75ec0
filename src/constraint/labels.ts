/** @file A closed list of labels as a trie of tokens: at every step the tokens that continue one of them. */
import { AppError } from "../base/errors.ts";
import type { Constraint } from "../decode/constraint.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { AnswerFrame } from "./answer-frame.ts";

export type LabelTrie = {
  readonly next: Constraint;
  /** The label that these tokens spell, if they spell one. */
  labelOf(ids: readonly number[]): string | undefined;
  /** What it takes in memory, about. */
  readonly bytes: number;
  /** Whether all labels begin with the same token, which then tells nothing about the choice. */
  readonly sharesFirstToken: boolean;
};

/** A map, a list and a text. */
const bytesOfNode = 400;

type Node = { readonly children: Map<number, Node>; label?: string; allowed?: readonly number[] };

/**
 * The trie of labels as a model writes them. A label that another one continues ends with the end token.
 * @throws E_CONFIG where the tokenizer cannot write a label, cannot tell two apart, or has no end token that a label needs
 */
export function labelTrie(tokenizer: Tokenizer, { encode, endId }: AnswerFrame, labels: readonly string[]): LabelTrie {
  const root: Node = { children: new Map() };
  for (const label of labels) {
    const ids = encode(label);
    requireWritable(tokenizer, label, ids);
    const end = ids.reduce((node, id) => childOf(node, id), root);
    if (end.label !== undefined)
      throw new AppError(
        "E_CONFIG",
        `labels: the tokenizer writes ${JSON.stringify(end.label)} and ${JSON.stringify(label)} alike`,
      );
    end.label = label;
  }
  const at = (ids: readonly number[]) => ids.reduce<Node | undefined>((node, id) => node?.children.get(id), root);
  const allowedAt = (node: Node): readonly number[] => {
    const continued = [...node.children.keys()];
    if (node.label === undefined) return continued;
    if (endId !== undefined) return [...continued, endId];
    if (continued.length > 0)
      throw new AppError(
        "E_CONFIG",
        `labels: ${JSON.stringify(node.label)} begins other labels, and this layout has no token to end it`,
      );
    return [];
  };
  let nodes = 0;
  visit(root, (node) => {
    node.allowed = allowedAt(node);
    nodes++;
  });
  return {
    bytes: nodes * bytesOfNode,
    next: (soFar) => at(soFar)?.allowed ?? [],
    labelOf: (ids) => at(ids)?.label,
    sharesFirstToken: root.children.size === 1 && labels.length > 1,
  };
}

function childOf({ children }: Node, id: number): Node {
  let child = children.get(id);
  if (child === undefined) {
    child = { children: new Map() };
    children.set(id, child);
  }
  return child;
}

function visit(node: Node, see: (node: Node) => void): void {
  const open = [node];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    see(next);
    open.push(...next.children.values());
  }
}

function requireWritable(tokenizer: Tokenizer, label: string, ids: readonly number[]): void {
  const written = tokenizer.decode(ids).trim();
  if (ids.length === 0 || written !== label)
    throw new AppError(
      "E_CONFIG",
      `label ${JSON.stringify(label)}: this tokenizer writes it as ${JSON.stringify(written)}`,
    );
}
