/** @file All methods by name. Some names hold a number, a folder or both: `prompted-5shot`, `lora:runs/my-lora`. */
import { AppError } from "../base/errors.ts";
import { base } from "./base.ts";
import { compressed } from "./compressed.ts";
import { contentHash } from "./content.ts";
import { promptedGeneral, specializedGeneral } from "./general.ts";
import { lora } from "./lora.ts";
import { lorahub } from "./lorahub.ts";
import type { Method, Needs } from "./method.ts";
import { prefix } from "./prefix.ts";
import { behindShots, prompted, promptedShots } from "./prompted.ts";
import { surprising, truncated } from "./shortened.ts";
import { chosenSkill, mixedSkills } from "./skills.ts";
import { specialization } from "./specialization.ts";
import { farPrompt, shuffledPrompt, siblingPrompt, specialized, specializedShots } from "./specialized.ts";
import { svf } from "./svf.ts";
import { loramoe, mixlora } from "./token-experts.ts";

/** In the order of tables. `N` stands for a number from 1, `FOLDER` and `FILE` for a path. */
export const methods = {
  base: () => base,
  prompted: () => prompted,
  "prompted-Nshot": (n) => promptedShots(Number(n)),
  "prompted-general": () => promptedGeneral,
  "truncated-Nx": (n) => truncated(Number(n)),
  "llmlingua-Nx": (n) => surprising(Number(n)),
  specialized: () => specialized,
  "specialized-Nshot": (n) => specializedShots(Number(n)),
  "specialized-general": () => specializedGeneral,
  "specialization:FOLDER": (folder) => specialization(folder),
  "sibling-prompt": () => siblingPrompt,
  "far-prompt": () => farPrompt,
  "shuffled-prompt": () => shuffledPrompt,
  "lora:FOLDER": (folder) => lora(folder),
  "lora-Nshot:FOLDER": (n, folder) => behindShots(lora(folder), Number(n)),
  "svf:FILE": (path) => svf(path),
  "skills-prompt:FOLDER": (folder) => chosenSkill(folder, "prompt"),
  "skills-classifier:FOLDER": (folder) => chosenSkill(folder, "classifier"),
  "skills-cem-Nshot:FOLDER": (n, folder) => mixedSkills(folder, Number(n), { search: "cem" }),
  "skills-layers-Nshot:FOLDER": (n, folder) => mixedSkills(folder, Number(n), { search: "cem", perLayer: true }),
  "skills-random-Nshot:FOLDER": (n, folder) => mixedSkills(folder, Number(n), { search: "random" }),
  "skills-uniform:FOLDER": (folder) => mixedSkills(folder, 0, { search: "uniform" }),
  "lorahub-Nshot:FOLDER": (n, folder) => lorahub(folder, Number(n)),
  "loramoe:FILE": (path) => loramoe(path),
  "loramoe-Nshot:FILE": (n, path) => behindShots(loramoe(path), Number(n)),
  "mixlora:FILE": (path) => mixlora(path),
  "mixlora-Nshot:FILE": (n, path) => behindShots(mixlora(path), Number(n)),
  "prefix:FILE": (path) => prefix(path),
  "gist:FILE": (path) => compressed("gist", path),
  "autocompressor:FILE": (path) => compressed("autocompressor", path),
  "icae:FILE": (path) => compressed("icae", path),
  "500xcompressor:FILE": (path) => compressed("500xcompressor", path),
} as const satisfies Record<string, (first: string, second: string) => Method>;

export type MethodPattern = keyof typeof methods;
export const METHODS = Object.keys(methods) as MethodPattern[];

/** A method that was asked for by name. */
export type NamedMethod = Method & {
  readonly name: string;
  /** What it reads lies there. */
  readonly path?: string;
  /** The hash of what it reads from the path in its name; undefined where nothing is there. */
  readonly content?: () => Promise<string | undefined>;
};

/** Finds methods by their names, in the table's order. Throws E_USAGE naming what is known. */
export function parseMethods(names: readonly string[]): NamedMethod[] {
  const found = [...new Set(names)].map((name) => ({
    name,
    at: METHODS.findIndex((pattern) => matcher(pattern).test(name)),
  }));
  const unknown = found.find(({ at }) => at < 0);
  if (unknown !== undefined || found.length === 0)
    throw new AppError(
      "E_USAGE",
      `methods: expected some of ${METHODS.join(", ")}, found ${unknown === undefined ? "none" : JSON.stringify(unknown.name)}`,
    );
  return found
    .sort((a, b) => a.at - b.at)
    .map(({ name, at }) => {
      const pattern = METHODS[at]!;
      const [, first = "", second = ""] = matcher(pattern).exec(name)!;
      const path = second || first;
      const reads = /FOLDER|FILE/.test(pattern) ? { path, content: () => contentHash(path) } : {};
      return { name, ...methods[pattern](first, second), ...reads };
    });
}

/** What a method of this name needs; null for one that is not in the table. */
export function needsOf(name: string): Needs | null {
  const pattern = METHODS.find((one) => matcher(one).test(name));
  return pattern === undefined ? null : methods[pattern]("1", "1").needs;
}

const matcher = (pattern: string): RegExp =>
  new RegExp(`^${pattern.replace("N", "([1-9]\\d{0,2})").replace(/FOLDER|FILE/, "(.+)")}$`);
