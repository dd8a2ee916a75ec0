/** @file Words that prompts are made of where they must mean nothing by themselves. */
import { createRng } from "../../src/base/rng.ts";

const onsets = [
  "b",
  "d",
  "f",
  "g",
  "k",
  "l",
  "m",
  "n",
  "p",
  "r",
  "s",
  "t",
  "v",
  "z",
  "br",
  "dr",
  "gl",
  "kr",
  "pl",
  "tr",
  "st",
];
const vowels = ["a", "e", "i", "o", "u"];
const codas = ["b", "d", "g", "k", "l", "m", "n", "p", "r", "s", "t", "x", "lt", "nd", "rk"];

/** 300 words that no language has. */
export const inventedWords: readonly string[] = (() => {
  const rng = createRng("invented words");
  const found = new Set<string>();
  while (found.size < 300) {
    const syllables = rng.next() < 0.6 ? 1 : 2;
    let word = "";
    for (let i = 0; i < syllables; i++) word += rng.pick(onsets) + rng.pick(vowels);
    found.add(word + rng.pick(codas));
  }
  return [...found];
})();

/** Everyday things, the keys of lookup tables. */
export const things: readonly string[] = [
  "apple", "bridge", "candle", "desk", "engine", "feather", "garden", "hammer", "island", "jacket", "kettle", "ladder",
  "mirror", "needle", "orange", "pencil", "quilt", "river", "saddle", "table", "umbrella", "violin", "window", "yarn",
  "anchor", "basket", "camera", "drum", "elbow", "fork", "glove", "hat", "iron", "jar", "kite", "lamp", "moon", "nest", "oven", "pillow",
]; // biome-ignore format: a table

/** Values of lookup tables. */
export const values: readonly string[] = [
  "red", "blue", "green", "yellow", "black", "white", "1", "2", "3", "4", "5", "6", "7", "8", "9",
  "north", "south", "east", "west", "A", "B", "C", "D", "E", "F", "cold", "warm", "hot", "iron", "gold", "wood", "glass",
]; // biome-ignore format: a table
