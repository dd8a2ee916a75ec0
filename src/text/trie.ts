/** @file Known texts by their beginnings: which of them begin at a place of a text. */
import { AppError } from "../base/errors.ts";
import type { Budget } from "./search-budget.ts";

/** Characters that the texts of one trie may have together. */
const MAX_CHARACTERS = 2 ** 22;

export type Trie = {
  /** Calls `visit` with every known text that begins at `start`, the shortest first: its number and its length in UTF-16 units. */
  prefixes(text: string, start: number, budget: Budget, visit: (index: number, length: number) => void): void;
};

/** Empty texts are left out. Throws E_LIMIT beyond the bound. */
export function createTrie(texts: readonly string[], what: string): Trie {
  const length = texts.reduce((sum, text) => sum + text.length, 0);
  if (length > MAX_CHARACTERS)
    throw new AppError("E_LIMIT", `${what}: ${length} characters of tokens, the limit is ${MAX_CHARACTERS}`);
  const edges = createEdges(length);
  const ends = new Int32Array(length + 1).fill(-1); // per node: the text that ends there
  let nodes = 1;
  for (const [index, text] of texts.entries()) {
    let node = 0;
    for (let i = 0; i < text.length; i++) {
      const slot = edges.find(node, text.charCodeAt(i));
      if (edges.to[slot] === 0) edges.put(slot, node, text.charCodeAt(i), nodes++);
      node = edges.to[slot]!;
    }
    if (node !== 0) ends[node] = index;
  }
  return {
    prefixes(text, start, budget, visit) {
      let node = 0;
      for (let i = start; i < text.length; i++) {
        budget.spend(1);
        node = edges.to[edges.find(node, text.charCodeAt(i))]!;
        if (node === 0) return;
        if (ends[node]! >= 0) visit(ends[node]!, i + 1 - start);
      }
    },
  };
}

/** Edges by node and UTF-16 unit: a table with open addressing. No edge leads to node 0. */
function createEdges(count: number) {
  const mask = 2 ** Math.ceil(Math.log2(2 * count + 2)) - 1;
  const from = new Int32Array(mask + 1);
  const units = new Uint16Array(mask + 1);
  const to = new Int32Array(mask + 1);
  return {
    to,
    /** Where an edge is, or would be. */
    find(node: number, unit: number): number {
      let slot = (Math.imul(node, 0x9e3779b1) ^ Math.imul(unit, 0x85ebca6b)) >>> 0;
      slot = (slot ^ (slot >>> 15)) & mask;
      while (to[slot] !== 0 && (from[slot] !== node || units[slot] !== unit)) slot = (slot + 1) & mask;
      return slot;
    },
    put(slot: number, node: number, unit: number, next: number): void {
      from[slot] = node;
      units[slot] = unit;
      to[slot] = next;
    },
  };
}
