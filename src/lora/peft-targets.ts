/** @file Which modules of a model PEFT adapts, and with which rank and factor: `check_target_module_exists` and `get_pattern_key` of PEFT 0.21. */
import { AppError } from "../base/errors.ts";
import { compilePattern, matchesStart, matchesWhole, newBudget, type PatternBudget } from "./module-pattern.ts";
import type { AdapterConfig } from "./peft-config.ts";

/** What a configuration says about modules by their full names in the base model ("model.layers.0.mlp.up_proj"). */
export type PeftTargets = {
  /** Whether a module gets a low-rank change. */
  readonly isTarget: (module: string) => boolean;
  readonly rankOf: (module: string) => number;
  /** What B·A is multiplied by. */
  readonly factorOf: (module: string) => number;
  /** Whether a module, or one it is part of, is saved whole. */
  readonly isSavedWhole: (module: string) => boolean;
  /** Rows of a module that are saved each for itself; undefined: none. */
  readonly savedRowsOf: (module: string) => readonly number[] | undefined;
  /** The names, or ends of names, of the modules that have such rows. */
  readonly savedRowModules: readonly string[];
};

/**
 * Reads the expressions of a configuration, which are matched in bounded time.
 * @param where names the file
 * @param embedding the module that lists of trainable tokens mean
 * @throws E_CONFIG, E_LIMIT: for expressions that are not supported; so do the functions returned where matching takes too long
 */
export function peftTargets(config: AdapterConfig, where: string, embedding: string): PeftTargets {
  const budget = newBudget();
  const at = (key: string) => `${where}: ${key}`;
  const { target_modules: targets } = config;
  const matchesTargets = matcher(targets === "all-linear" ? [] : (targets ?? []), at("target_modules"), budget);
  const matchesExcluded = matcher(config.exclude_modules ?? [], at("exclude_modules"), budget);
  const ofLayer = layerFilter(config, at("layers_pattern"));
  const saved = plainNames(config.modules_to_save ?? [], at("modules_to_save"));
  const rankOf = patternValue(config.rank_pattern, at("rank_pattern"), config.r, budget);
  const alphaOf = patternValue(config.alpha_pattern, at("alpha_pattern"), config.lora_alpha, budget);
  const isSavedWhole = (module: string) => parents(module).some((path) => saved.some((name) => path.endsWith(name)));
  const isNamedSaved = (module: string) =>
    parents(module).some((path) => saved.some((name) => isOrEndsWith(path, name)));
  const rows = savedRows(config, embedding);
  const isExact = (module: string) => Array.isArray(targets) && targets.includes(module);
  return {
    isTarget(module) {
      if (matchesExcluded(module) || isNamedSaved(module)) return false;
      if (targets === "all-linear") return !/(^|\.)(embed_tokens|embed_positions|lm_head)$/.test(module);
      return isExact(module) || (matchesTargets(module) && ofLayer(module));
    },
    rankOf,
    factorOf(module) {
      const rank = rankOf(module);
      return alphaOf(module) / (config.use_rslora === true ? Math.sqrt(rank) : rank);
    },
    isSavedWhole,
    savedRowModules: rows.filter(([, ids]) => ids.length > 0).map(([name]) => name),
    savedRowsOf: (module) => rows.find(([name]) => module.endsWith(name))?.[1],
  };
}

/** "a.b.c" → "a", "a.b", "a.b.c" */
function parents(module: string): string[] {
  const parts = module.split(".");
  return parts.map((_, i) => parts.slice(0, i + 1).join("."));
}

const isOrEndsWith = (module: string, name: string): boolean => module === name || module.endsWith(`.${name}`);

/** A text is an expression for the whole name; a list has names, or ends of names behind a point. */
function matcher(
  wanted: string | readonly string[],
  where: string,
  budget: PatternBudget,
): (module: string) => boolean {
  if (typeof wanted !== "string") return (module) => wanted.some((name) => isOrEndsWith(module, name));
  if (wanted === "") return () => false;
  const pattern = compilePattern(wanted, where, budget);
  return (module) => matchesWhole(pattern, module);
}

/** Lists of names that PEFT puts into expressions of its own. Throws E_CONFIG for what is more than a name. */
function plainNames(names: readonly string[], where: string): readonly string[] {
  for (const name of names)
    if (!/^[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*$/.test(name))
      throw new AppError("E_CONFIG", `${where}: ${JSON.stringify(name)}: expected the name of a module`);
  return names;
}

/** Whether a module belongs to the layers that are adapted: by the first number in its name. */
function layerFilter({ layers_to_transform: layers, layers_pattern: pattern }: AdapterConfig, where: string) {
  if (layers == null || (Array.isArray(layers) && layers.length === 0)) return () => true;
  const wanted = typeof layers === "number" ? [layers] : layers;
  const names = plainNames(typeof pattern === "string" ? (pattern === "" ? [] : [pattern]) : (pattern ?? []), where);
  const indexIn = (module: string): number | undefined => {
    const parts = module.split(".");
    const isNumber = (i: number) => i + 1 < parts.length && /^\d+$/.test(parts[i]!);
    if (names.length === 0) {
      const found = parts.findIndex((_, i) => i >= 2 && isNumber(i));
      return found < 0 ? undefined : Number(parts[found]);
    }
    for (const name of names) {
      const before = (i: number) => parts.slice(0, i).join(".");
      const found = parts.findIndex((_, i) => isNumber(i) && isOrEndsWith(before(i), name));
      if (found >= 0) return Number(parts[found]);
    }
    return undefined;
  };
  return (module: string) => {
    const index = indexIn(module);
    return index !== undefined && wanted.includes(index);
  };
}

/**
 * The value of the first key that matches a module, or an end of its name behind a point. Keys are expressions; most are names, in which
 * a point stands for any character.
 */
function patternValue(
  patterns: Readonly<Record<string, number>> | null | undefined,
  where: string,
  otherwise: number,
  budget: PatternBudget,
): (module: string) => number {
  const matchers = Object.entries(patterns ?? {}).map(([key, value]) => {
    const name = namePattern.exec(key);
    if (name !== null) return [isNamed(name[2]!.match(/\\?./g)!, name[1] === "^"), value] as const;
    const pattern = compilePattern(`(.*\\.)?(${key})$`, where, budget);
    return [(module: string) => matchesStart(pattern, module), value] as const;
  });
  return (module) => matchers.find(([matches]) => matches(module))?.[1] ?? otherwise;
}

/** A name, its points perhaps escaped, and perhaps bound to the beginning. */
const namePattern = /^(\^?)((?:[A-Za-z0-9_.]|\\\.)+)$/;

/** @param signs of a name: each stands for itself, a point without a backslash for any character */
const isNamed =
  (signs: readonly string[], isWhole: boolean) =>
  (module: string): boolean => {
    const start = module.length - signs.length;
    if (start < 0 || (start > 0 && (isWhole || module[start - 1] !== "."))) return false;
    return signs.every((sign, i) => sign === "." || sign.at(-1) === module[start + i]);
  };

function savedRows(
  { trainable_token_indices: tokens }: AdapterConfig,
  embedding: string,
): [string, readonly number[]][] {
  if (tokens == null) return [];
  return Array.isArray(tokens) ? [[embedding, tokens]] : Object.entries(tokens);
}
