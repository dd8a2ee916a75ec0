/** @file A folder of skills, each under its name: `math.safetensors`, or a run's output in `math/`. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../base/errors.ts";
import { ioError } from "../base/io-error.ts";
import { findPeft } from "../lora/find-peft.ts";
import { type Ia3Factors, readIa3Factors } from "../lora/ia3-format.ts";
import type { Adapter } from "../lora/low-rank.ts";
import { type DoraChange, readDora, readPeftChange } from "../lora/peft-change.ts";
import { readPeftConfig, readPeftKind } from "../lora/peft-config.ts";
import type { CacheOptions } from "../models/apply-expert.ts";
import { fusedWeights } from "../models/checkpoint.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import type { Model } from "../models/model.ts";
import { peftBaseOf } from "../models/peft-base.ts";
import { type Expert, requireModel } from "../svf/expert.ts";
import { expertFile, readExpert } from "../svf/expert-file.ts";
import { doraPool } from "./dora-pool.ts";
import { otherSkill } from "./first-pass.ts";
import { ia3Pool } from "./ia3-pool.ts";
import { loraPool } from "./lora-pool.ts";
import type { Named, SkillPool } from "./skill-pool.ts";
import { svfPool } from "./svf-pool.ts";

/** The skill of this name is not one of those that are mixed: it names them. */
export const classifierName = "classifier";
export const maxSkills = 64;

/** What skills are for. */
export type SkilledModel = {
  readonly model: FrozenModel;
  /** The same as it was opened; factors of singular values need it. */
  readonly stored?: Model;
};

/** A skill that is read, or the folder of one that needs the model to be read. */
type Skill =
  | { readonly kind: "svf"; readonly expert: Expert }
  | { readonly kind: "lora"; readonly folder: string }
  | { readonly kind: "dora"; readonly folder: string }
  | { readonly kind: "ia3"; readonly folder: string };
type Found = Named<Skill>;

const describeKind: Readonly<Record<Skill["kind"], string>> = {
  svf: "factors of singular values",
  lora: "a LoRA adapter",
  dora: "a DoRA adapter",
  ia3: "an IA³ adapter",
};

/**
 * Opens all skills of a folder: of Transformer², or LoRA, DoRA or IA³ adapters in PEFT's format.
 * @throws E_NOT_FOUND where there is none; E_MISMATCH for one of another model, naming both hashes, for skills of different kinds, and for
 * one that cannot be mixed; E_LIMIT; and what reading them throws
 */
export async function openSkillPool(folder: string, subject: SkilledModel, cache?: CacheOptions): Promise<SkillPool> {
  const found = await findSkills(folder);
  const [first] = found;
  const odd = found.find(({ skill }) => skill.kind !== first!.skill.kind);
  if (odd !== undefined)
    throw new AppError(
      "E_MISMATCH",
      `${folder}: expected skills of one kind, found ${describeKind[first!.skill.kind]} (${first!.name}) and ${describeKind[odd.skill.kind]} (${odd.name})`,
    );
  if (found.every(isClassifier))
    throw new AppError(
      "E_NOT_FOUND",
      `${folder}: expected skills: NAME.safetensors, or a run's output NAME/; found none`,
    );
  return openers[first!.skill.kind](folder, found as never, subject, cache);
}

const isClassifier = ({ name }: { readonly name: string }) => name === classifierName;

/** The skills that are mixed, and the one that names them. */
const apart = <T>(skills: readonly Named<T>[]) => ({
  others: skills.filter((skill) => !isClassifier(skill)),
  classifier: skills.find(isClassifier)?.skill,
});

const openers: {
  readonly [K in Skill["kind"]]: (
    folder: string,
    found: readonly Named<Extract<Skill, { kind: K }>>[],
    subject: SkilledModel,
    cache: CacheOptions | undefined,
  ) => Promise<SkillPool>;
} = {
  async svf(folder, found, { stored, model }, cache) {
    if (stored === undefined || stored.weights !== model.weights)
      throw new AppError("E_MISMATCH", `${folder}: skills need the model as it was opened, not one that was changed`);
    for (const { name, skill } of found) requireModel(skill.expert, stored.sha256, join(folder, name));
    const { others, classifier } = apart(found.map(({ name, skill }) => ({ name, skill: skill.expert })));
    return svfPool(stored, others, classifier, cache);
  },
  async lora(_, found, subject) {
    const adapters: Named<Adapter>[] = [];
    for (const { name, skill } of found)
      adapters.push({ name, skill: await readPlainLora(skill.folder, subject.model) });
    const { others, classifier } = apart(adapters);
    return loraPool(subject.model.config.layers, others, classifier, baseOf(subject));
  },
  async dora(_, found, subject) {
    const base = peftBaseOf(subject.model);
    const adapters: Named<ReadonlyMap<string, DoraChange>>[] = [];
    for (const { name, skill } of found) adapters.push({ name, skill: await readDora(skill.folder, base) });
    const { others, classifier } = apart(adapters);
    return doraPool(subject.model.config.layers, others, classifier, { ...baseOf(subject), valuesOf: base.valuesOf });
  },
  async ia3(_, found, subject) {
    const base = peftBaseOf(subject.model);
    const adapters: Named<ReadonlyMap<string, Ia3Factors>>[] = [];
    for (const { name, skill } of found) adapters.push({ name, skill: await readIa3Factors(skill.folder, base) });
    const { others, classifier } = apart(adapters);
    return ia3Pool(subject.model.config.layers, others, classifier, baseOf(subject));
  },
};

/** What a mixture is written for. */
const baseOf = ({ stored, model }: SkilledModel) => ({
  baseName: stored?.directory ?? "base model",
  fused: fusedWeights(model.config),
});

/** All LoRA adapters of a folder by name. Throws E_MISMATCH for one of another kind, and as `openSkillPool`. */
export async function openLoras(folder: string, model: FrozenModel): Promise<Named<Adapter>[]> {
  const found = await findSkills(folder);
  if (found.length === 0) throw new AppError("E_NOT_FOUND", `${folder}: expected LoRA adapters in NAME/, found none`);
  const adapters: Named<Adapter>[] = [];
  for (const { name, skill } of found) {
    if (skill.kind !== "lora")
      throw new AppError(
        "E_MISMATCH",
        `${folder}: expected LoRA adapters, found ${describeKind[skill.kind]} (${name})`,
      );
    adapters.push({ name, skill: await readPlainLora(skill.folder, model) });
  }
  return adapters;
}

async function findSkills(folder: string): Promise<Found[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw ioError(error, "read", folder);
  });
  const found: Found[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    const name = entry.name.replace(/\.safetensors$/, "");
    if (entry.name.startsWith(".") || (name === entry.name && entry.isFile())) continue;
    const skill = await openSkill(path);
    if (skill === undefined) continue;
    if (name === otherSkill)
      throw new AppError(
        "E_USAGE",
        `${path}: "${otherSkill}" is what the base model is called; name the skill otherwise`,
      );
    if (found.length === maxSkills) throw new AppError("E_LIMIT", `${folder}: more than ${maxSkills} skills`);
    found.push({ name, skill });
  }
  return found;
}

/** undefined where there is no skill. */
async function openSkill(path: string): Promise<Found["skill"] | undefined> {
  const isMissing = (error: unknown) => {
    if (error instanceof AppError && error.code === "E_NOT_FOUND") return undefined;
    throw error;
  };
  const file = await expertFile(path).catch(isMissing);
  if (file !== undefined) return { kind: "svf", expert: await readExpert(file) };
  const folder = await findPeft(path).catch(isMissing);
  if (folder === undefined) return undefined;
  if ((await readPeftKind(folder)) === "IA3") return { kind: "ia3", folder };
  return { kind: (await readPeftConfig(folder)).use_dora === true ? "dora" : "lora", folder };
}

/** Throws E_MISMATCH for an adapter that is more than changes of low rank: those add up, others do not. */
async function readPlainLora(folder: string, model: FrozenModel): Promise<Adapter> {
  const { adapter, whole } = await readPeftChange(folder, peftBaseOf(model));
  if (whole.size > 0)
    throw new AppError(
      "E_MISMATCH",
      `${folder}: only changes of low rank can be mixed, but it replaces ${[...whole.keys()].slice(0, 3).join(", ")}`,
    );
  return adapter;
}
